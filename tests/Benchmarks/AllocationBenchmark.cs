using System.Diagnostics.Tracing;
using Microsoft.Diagnostics.NETCore.Client;
using Microsoft.Diagnostics.Tracing;

namespace PiiMasking.Benchmarks;

/// <summary>Bytes that each program allocates for a login, as its runtime counts them, read from outside over EventPipe.</summary>
internal static class AllocationBenchmark
{
    private const int SecondsBetweenCounts = 1;

    public static Benchmark Benchmark { get; } = new("allocations", "bytes that the services allocate for a login", AnswerAsync);

    private static async Task AnswerAsync(BenchmarkRun run)
    {
        await using var system = await BenchmarkSystem.StartAsync(run);
        var count = run.Size(50_000, 500);
        // Warm, so that what is compiled is compiled.
        await system.FillAsync(run.Size(20_000, 100), run.Stopping);
        await system.WaitUntilDeletedAsync(run.Stopping);
        system.Hold();
        await system.FillAsync(count, run.Stopping);

        var programs = system.Programs.Where(program => program.Name is not "SQS emulator" and not "PostgreSQL").ToArray();
        // A program that stands still would not take the question.
        system.Resume();
        var counters = programs.Select(program => AllocatedBytes.Of(program.Process.Id)).ToArray();
        await system.WaitUntilDeletedAsync(run.Stopping);
        await Task.Delay(TimeSpan.FromSeconds(SecondsBetweenCounts + 0.5), run.Stopping);
        var each = new Dictionary<string, double>();
        foreach (var (program, counter) in programs.Zip(counters))
            each[program.Name] = await counter.StopAsync() / (double)count;

        if (each.Values.Min() == 0)
            throw new InvalidOperationException("A program has not told what it allocated.");
        var table = run.AddTable("Bytes allocated for a login", [.. each.Keys]);
        table.AddRow([.. each.Values.Cast<object>()]);
        run.Add("bytes allocated for a login, ingestion + masking", each["IngestionService"] + each["MaskingService"], Target.AtMost(2_000));
    }

    /// <summary>Adds up what a runtime says it has allocated each second.</summary>
    private sealed class AllocatedBytes
    {
        private readonly EventPipeSession session;
        private readonly Task reading;
        private long bytes;

        private AllocatedBytes(EventPipeSession session)
        {
            this.session = session;
            reading = Task.Run(() =>
            {
                using var source = new EventPipeEventSource(session.EventStream);
                source.Dynamic.All += counted =>
                {
                    if (counted.EventName == "EventCounters" && counted.PayloadValue(0) is IDictionary<string, object> payload
                        && payload["Payload"] is IDictionary<string, object> values && values["Name"] is "alloc-rate")
                    {
                        bytes += Convert.ToInt64(values["Increment"], System.Globalization.CultureInfo.InvariantCulture);
                    }
                };
                source.Process();
            });
        }

        public static AllocatedBytes Of(int processId)
        {
            var counters = new EventPipeProvider(
                "System.Runtime", EventLevel.Informational, 0, new Dictionary<string, string> { ["EventCounterIntervalSec"] = $"{SecondsBetweenCounts}" });
            return new AllocatedBytes(new DiagnosticsClient(processId).StartEventPipeSession([counters], requestRundown: false));
        }

        public async Task<long> StopAsync()
        {
            session.Stop();
            await reading;
            session.Dispose();
            return bytes;
        }
    }
}
