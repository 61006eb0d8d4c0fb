namespace PiiMasking.Benchmarks;

/// <summary>Requests to SQS for each message, counted at the emulator: what the queue costs.</summary>
internal static class CostBenchmark
{
    // What the component asks for. The rest is the producers' and this program's.
    private static readonly string[] Requests =
        ["ReceiveMessage", "DeleteMessageBatch", "DeleteMessage", "ChangeMessageVisibilityBatch", "ChangeMessageVisibility"];

    public static Benchmark Benchmark { get; } = new("cost", "SQS requests a message, under load and with an almost empty queue", AnswerAsync);

    private static async Task AnswerAsync(BenchmarkRun run)
    {
        await using var system = await BenchmarkSystem.StartAsync(run);
        var table = run.AddTable("SQS requests a message", ["queue", "messages", .. Requests, "all"]);

        system.Hold();
        var many = run.Size(20_000, 300);
        await system.FillAsync(many, run.Stopping);
        var underLoad = await CountAsync(run, system, table, "full", many, async () =>
        {
            system.Resume();
            await system.WaitUntilDeletedAsync(run.Stopping);
        });
        run.Add("SQS requests a message under load", underLoad, Target.AtMost(0.22));

        var few = run.Size(200, 10);
        await CountAsync(run, system, table, "a message every 50 ms", few, async () =>
        {
            for (var i = 0; i < few; i++)
            {
                await system.FillAsync(1, run.Stopping);
                await Task.Delay(50, run.Stopping);
            }

            await system.WaitUntilDeletedAsync(run.Stopping);
        });
    }

    private static async Task<double> CountAsync(
        BenchmarkRun run, BenchmarkSystem system, ResultTable table, string queue, int messages, Func<Task> work)
    {
        var before = await system.RequestsAsync(run.Stopping);
        await work();
        var after = await system.RequestsAsync(run.Stopping);
        var each = Array.ConvertAll(
            Requests, name => (after.GetValueOrDefault(name) - before.GetValueOrDefault(name)) / (double)messages);
        table.AddRow([queue, messages, .. each.Cast<object>(), each.Sum()]);
        return each.Sum();
    }
}
