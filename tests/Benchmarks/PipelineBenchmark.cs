using System.Diagnostics;

namespace PiiMasking.Benchmarks;

/// <summary>
/// From the queue to the committed row and the deleted message, against receiving and deleting the same messages with nothing done to them,
/// and against a plain loop. All of it on one machine: the emulator, the database and whoever is measured share its cores.
/// </summary>
internal static class PipelineBenchmark
{
    private const string Drain = "receive and delete only";
    private const string Loop = "one-by-one loop";
    private const int DefaultBatch = 500;
    private const int WarmUp = 5;

    public static Benchmark Benchmark { get; } = new(
        "pipeline",
        "messages a second from SQS to the row, against receive-and-delete, against a plain loop",
        run => AnswerAsync(run, [DefaultBatch]));

    public static Benchmark BatchSizes { get; } = new(
        "batches",
        "the same with other sizes of the component's batches",
        run => AnswerAsync(run, run.Size<int[]>([1, 10, 100, 500], [10])));

    private static async Task AnswerAsync(BenchmarkRun run, int[] batchSizes)
    {
        var table = run.AddTable(
            "Messages a second", "batchSize", "dispatch", "SQS → row", Drain, Loop, "÷ receive and delete", "÷ loop");
        var cpu = run.AddTable("CPU time, µs a message",
            ["batchSize", "dispatch", .. BenchmarkSystem.ProgramNames, "all", $"{Drain}: client", $"{Drain}: emulator"]);
        foreach (var batchSize in batchSizes)
            await MeasureAsync(run, table, cpu, batchSize);
    }

    private static async Task MeasureAsync(BenchmarkRun run, ResultTable table, ResultTable cpu, int batchSize)
    {
        // Both are up at the same time, so that their ratio is of the same minutes.
        var systems = new Dictionary<string, BenchmarkSystem>();
        try
        {
            foreach (var (dispatch, isConcurrent) in new[] { ("serial", false), ("concurrent", true) })
                systems[dispatch] = await BenchmarkSystem.StartAsync(run, new SystemSetup { BatchSize = batchSize == DefaultBatch ? null : batchSize, IsConcurrent = isConcurrent });

            var measured = new Rounds();
            var rounds = run.Rounds(5);
            var count = run.Size(batchSize == 1 ? 2_000 : 20_000, 200);
            foreach (var system in systems.Values)
            {
                // Until the runtimes have compiled again what runs often, that takes the component half of its time.
                await system.FillAsync(WarmUp * count, run.Stopping);
                await system.WaitUntilDeletedAsync(run.Stopping);
                system.Hold();
            }

            for (var round = 0; round <= rounds; round++)
            {
                // The first round only warms up.
                if (round == 1)
                    measured = new Rounds();
                run.Say($"batchSize {batchSize}, round {round} of {rounds}");
                foreach (var (dispatch, system) in systems)
                {
                    using var queue = new BareQueue(system.System);
                    await using var rows = new BareTable(system.System);
                    await queue.FillAsync(count, run.Stopping);
                    var (clientCpu, emulatorCpu) = (Environment.CpuUsage.TotalTime, CpuTime.Of(system.System.Emulator.Process!.Id));
                    var drained = await queue.DrainAsync(count, run.Stopping);
                    measured.Add($"{Drain} client {dispatch}", (Environment.CpuUsage.TotalTime - clientCpu).TotalMicroseconds / count);
                    measured.Add(
                        $"{Drain} emulator {dispatch}",
                        (CpuTime.Of(system.System.Emulator.Process!.Id) - emulatorCpu).TotalMicroseconds / count);
                    var looped = run.Size(300, 20);
                    await queue.FillAsync(looped, run.Stopping);
                    var loop = await queue.LoopAsync(looped, rows, run.Stopping);
                    var through = await RunAsync(run, system, dispatch, rows, count, measured);
                    measured.Add($"{Drain} {dispatch}", drained);
                    measured.Add($"{Loop} {dispatch}", loop);
                    measured.Add(dispatch, through);
                }
            }

            foreach (var dispatch in systems.Keys)
            {
                var (drain, loop) = ($"{Drain} {dispatch}", $"{Loop} {dispatch}");
                table.AddRow(
                    batchSize, dispatch, measured.Median(dispatch), measured.Median(drain), measured.Median(loop),
                    measured.MedianRatio(dispatch, drain), measured.MedianRatio(dispatch, loop));
                var times = BenchmarkSystem.ProgramNames.Select(program => measured.Median($"{program} {dispatch}")).ToArray();
                cpu.AddRow([
                    batchSize, dispatch, .. times.Cast<object>(), times.Sum(),
                    measured.Median($"{Drain} client {dispatch}"), measured.Median($"{Drain} emulator {dispatch}")]);
                if (batchSize != DefaultBatch)
                    continue;
                run.Add($"SQS → row, {dispatch} dispatch ÷ {Drain}", measured.MedianRatio(dispatch, drain), Target.AtLeast(0.7));
                run.Add($"SQS → row, {dispatch} dispatch ÷ {Loop}", measured.MedianRatio(dispatch, loop), Target.AtLeast(5));
            }

            if (batchSize == DefaultBatch)
                run.Add("SQS → row with serial ÷ with concurrent dispatch", measured.MedianRatio("serial", "concurrent"), Target.AtLeast(0.8));
        }
        finally
        {
            foreach (var system in systems.Values)
            {
                system.Resume();
                await system.DisposeAsync();
            }
        }
    }

    /// <summary>Fills the queue while the component stands still, and lets it go.</summary>
    private static async Task<double> RunAsync(
        BenchmarkRun run, BenchmarkSystem system, string dispatch, BareTable rows, int count, Rounds measured)
    {
        await system.FillAsync(count, run.Stopping);
        var before = await rows.CountAsync(run.Stopping);
        var cpu = system.CpuTimes();
        var took = Stopwatch.StartNew();
        system.Resume();
        await system.WaitUntilDeletedAsync(run.Stopping);
        var rate = count / took.Elapsed.TotalSeconds;
        foreach (var (program, time) in system.CpuTimes())
            measured.Add($"{program} {dispatch}", (time - cpu[program]).TotalMicroseconds / count);
        system.Hold();
        var stored = await rows.CountAsync(run.Stopping) - before;
        if (stored != count)
            throw new InvalidOperationException($"Of {count} messages {stored} were stored.");
        return rate;
    }
}
