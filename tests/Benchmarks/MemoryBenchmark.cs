using System.Globalization;
using PiiMasking.Backing;

namespace PiiMasking.Benchmarks;

/// <summary>What do a million waiting messages cost in memory?</summary>
internal static class MemoryBenchmark
{
    // The sidecars are stand-ins, and the database and the emulator are not ours.
    private static readonly string[] Services = ["SqsComponent", "IngestionService", "MaskingService"];

    public static Benchmark Benchmark { get; } = new("memory", "the most memory that each process takes with a million messages waiting", AnswerAsync);

    private static async Task AnswerAsync(BenchmarkRun run)
    {
        var messages = run.Size(1_000_000, 200);
        await using var system = await BenchmarkSystem.StartAsync(run);
        var idle = system.Programs.ToDictionary(program => program.Name, program => Megabytes(program.Process, "VmRSS:"));
        var most = 0.0;
        run.Say($"{messages} messages are put on the queue, then the system may begin");

        // With so many waiting the emulator takes long for each request, and nothing here grows with the time.
        var enough = messages / 20;
        var took = await new Backlog(system, run.Stopping).DrainAsync(
            Enumerable.Range(0, messages).Select(_ => SomeLogins.Body()), enough, () => most = Math.Max(most, DatabaseMegabytes(system)));

        var table = run.AddTable($"Resident memory in MB, {messages} messages waiting, until {enough} of them are stored", "process", "before", "most");
        foreach (var (name, process) in system.Programs)
            table.AddRow(name, idle[name], Megabytes(process, "VmHWM:"));
        table.AddRow("PostgreSQL, all its processes", "", most);
        run.Add("messages/s", enough / took.TotalSeconds);
        foreach (var (name, process) in system.Programs.Where(program => Services.Contains(program.Name)))
            run.Add($"MB, {name}", Megabytes(process, "VmHWM:"), Target.AtMost(200));
    }

    private static double Megabytes(ChildProcess process, string figure) =>
        Kilobytes($"/proc/{process.Id}/status", figure) * 1024 / 1e6;

    /// <summary>Of what they share each is charged its part.</summary>
    private static double DatabaseMegabytes(BenchmarkSystem system)
    {
        var server = system.System.Postgres.Process!.Id;
        try
        {
            var children = File.ReadAllText($"/proc/{server}/task/{server}/children").Split(' ', StringSplitOptions.RemoveEmptyEntries);
            return children.Append($"{server}").Sum(process => Kilobytes($"/proc/{process}/smaps_rollup", "Pss:")) * 1024 / 1e6;
        }
        catch (IOException)
        {
            return 0;   // one of them has just ended
        }
    }

    private static long Kilobytes(string file, string figure) => long.Parse(
        File.ReadLines(file).First(line => line.StartsWith(figure, StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1],
        CultureInfo.InvariantCulture);
}
