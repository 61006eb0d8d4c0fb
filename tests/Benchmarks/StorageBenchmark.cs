using System.Diagnostics;

namespace PiiMasking.Benchmarks;

/// <summary>
/// Logins committed a second through <c>POST /v1/logins</c>, against COPY of the same kind of rows, masked already, into the same table with the
/// same indexes. A COPY right beside each measurement; both clients have their data ready before.
/// </summary>
internal static class StorageBenchmark
{
    // As the service's own defaults.
    private const int Writers = 2;
    private const int RowsPerCommit = 1_000;

    private const string Copy = "COPY";

    public static Benchmark Benchmark { get; } =
        new("storage", "logins a second through POST /v1/logins against bare COPY into the same table", AnswerAsync);

    private static async Task AnswerAsync(BenchmarkRun run)
    {
        await using var system = await BenchmarkSystem.StartAsync(run);
        await using var table = new BareTable(system.System);
        using var service = new LoginsClient(system.System);

        var cells = (
            from loginsPerCall in run.Size<int[]>([1, 10, 100, 500], [10])
            from callers in run.Size<int[]>([1, 4, 16], [4])
            select (LoginsPerCall: loginsPerCall, Callers: callers)).ToArray();
        var rounds = run.Rounds(5);
        var measured = new Rounds();
        // The first round only warms up.
        for (var round = 0; round <= rounds; round++)
        {
            run.Say($"round {round} of {rounds}");
            foreach (var (loginsPerCall, callers) in cells)
            {
                var logins = run.Size(Math.Min(20_000, loginsPerCall * callers * 300), 100);
                var rows = run.Size(20_000, 100);
                var start = Cpu(system);
                var copied = await CopyAsync(run, table, rows);
                var between = Cpu(system);
                var posted = await service.PostAsync(logins, loginsPerCall, callers, run.Stopping);
                var end = Cpu(system);
                if (round == 0)
                    continue;
                measured.Add($"{Copy} {loginsPerCall} {callers}", copied);
                measured.Add($"{loginsPerCall} {callers}", posted);
                measured.Add($"CPU {Copy} {loginsPerCall} {callers}", (between.Database - start.Database).TotalMicroseconds / rows);
                measured.Add($"CPU database {loginsPerCall} {callers}", (end.Database - between.Database).TotalMicroseconds / logins);
                measured.Add($"CPU service {loginsPerCall} {callers}", (end.Service - between.Service).TotalMicroseconds / logins);
            }

            await table.EmptyAsync(run.Stopping);
        }

        var result = run.AddTable(
            $"Logins a second through POST /v1/logins, median of {rounds} rounds; COPY with {Writers} connections and {RowsPerCommit} rows a commit",
            "logins a call", "callers", "logins/s", "COPY rows/s", "ratio",
            "CPU of MaskingService, µs a login", "of PostgreSQL", "of PostgreSQL for COPY");
        foreach (var (loginsPerCall, callers) in cells)
        {
            var (cell, copy) = ($"{loginsPerCall} {callers}", $"{Copy} {loginsPerCall} {callers}");
            result.AddRow(
                loginsPerCall, callers, measured.Median(cell), measured.Median(copy), measured.MedianRatio(cell, copy),
                measured.Median($"CPU service {cell}"), measured.Median($"CPU database {cell}"), measured.Median($"CPU {copy}"));
        }

        foreach (var (loginsPerCall, callers) in cells.Where(cell => cell.LoginsPerCall >= 100 && cell.Callers > 1))
        {
            run.Add(
                $"storage through the service ÷ COPY, {loginsPerCall} logins a call, {callers} callers",
                measured.MedianRatio($"{loginsPerCall} {callers}", $"{Copy} {loginsPerCall} {callers}"),
                Target.AtLeast(0.6));
        }
    }

    private static (TimeSpan Service, TimeSpan Database) Cpu(BenchmarkSystem system) =>
        (CpuTime.Of(system.System.Masking.Process!.Id), CpuTime.Of(system.System.Postgres.Process!.Id));

    private static async Task<double> CopyAsync(BenchmarkRun run, BareTable table, int count)
    {
        var now = TimeProvider.System.GetUtcNow();
        var rows = Enumerable.Range(0, count).Select(_ => table.Mask(SomeLogins.Message(now))).ToArray();
        var took = Stopwatch.StartNew();
        await table.CopyAsync(rows, RowsPerCommit, Writers, run.Stopping);
        return count / took.Elapsed.TotalSeconds;
    }
}
