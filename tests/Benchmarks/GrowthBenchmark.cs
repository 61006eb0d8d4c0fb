using System.Globalization;

namespace PiiMasking.Benchmarks;

/// <summary>
/// The rate of <c>POST /v1/logins</c> at a large table against that at an empty one, call by call in turns: two systems are up, and one
/// of them has the rows. Once with all rows in the month that is written to, which is what no partitions would be, and once
/// with the same rows in 24 months.
/// </summary>
internal static class GrowthBenchmark
{
    private const int LoginsPerCall = 100;
    private const int Callers = 4;

    // Ten million rows have some 120,000 pages in each of the two indexes of tokens.
    private const int Touches = 400_000;

    public static Benchmark Benchmark { get; } = new("growth", "rate of inserts at millions of rows against that at none", AnswerAsync);

    private static async Task AnswerAsync(BenchmarkRun run)
    {
        int[] sizes = [.. run.Size<int[]>([1_000_000, 5_000_000, 10_000_000], [1_000]).Where(size => size <= run.MostRows)];
        var result = run.AddTable("Rate against that at an empty table", "rows", "months", "when", "logins/s", "at an empty table", "ratio",
            "CPU of PostgreSQL, µs a login", "of that for an empty table");
        await using var empty = await BenchmarkSystem.StartAsync(run);
        await using var emptyTable = new BareTable(empty.System);
        using var toEmpty = new LoginsClient(empty.System);
        foreach (var months in new[] { 1, 24 })
        {
            await using var grown = await BenchmarkSystem.StartAsync(run);
            await using var grownTable = new BareTable(grown.System);
            using var toGrown = new LoginsClient(grown.System);
            var rows = 0;
            foreach (var size in sizes)
            {
                run.Say($"{size.ToString("#,0", CultureInfo.InvariantCulture)} rows in {months} months");
                await grownTable.AddGeneratedAsync(size - rows, months, run.Stopping);
                rows = size;
                await MeasureAsync("right after a checkpoint");
                // Until most pages of the indexes that the next logins will touch have been touched since.
                await toGrown.PostAsync(run.Size(Touches, 200), LoginsPerCall, Callers, run.Stopping);
                await MeasureAsync("later");
            }

            async Task MeasureAsync(string when)
            {
                var measured = new Rounds();
                var rounds = run.Rounds(5);
                for (var round = 0; round <= rounds; round++)
                {
                    // The first round only warms up.
                    if (round == 1)
                        measured = new Rounds();
                    var count = run.Size(20_000, 200);
                    await PostAsync("empty", empty, toEmpty);
                    await PostAsync("grown", grown, toGrown);
                    await emptyTable.EmptyAsync(run.Stopping);

                    async Task PostAsync(string table, BenchmarkSystem system, LoginsClient client)
                    {
                        var before = CpuTime.Of(system.System.Postgres.Process!.Id);
                        measured.Add(table, await client.PostAsync(count, LoginsPerCall, Callers, run.Stopping));
                        measured.Add($"CPU {table}", (CpuTime.Of(system.System.Postgres.Process!.Id) - before).TotalMicroseconds / count);
                    }
                }

                var ratio = measured.MedianRatio("grown", "empty");
                result.AddRow(rows, months, when, measured.Median("grown"), measured.Median("empty"), ratio, measured.Median("CPU grown"), measured.Median("CPU empty"));
                if (rows == sizes[^1])
                {
                    var text = rows.ToString("#,0", CultureInfo.InvariantCulture);
                    run.Add($"rate at {text} rows in {months} months, {when} ÷ rate at 0", ratio, Target.AtLeast(0.9));
                }
            }
        }
    }
}
