using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using PiiMasking.Contracts;

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
        using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false })
        {
            BaseAddress = new Uri($"http://127.0.0.1:{system.System.ToMasking.AppPort}"),
        };
        http.DefaultRequestHeaders.Add("dapr-api-token", system.System.ToMasking.AppToken);

        var cells = (
            from loginsPerCall in run.Size<int[]>([1, 10, 100, 500], [10])
            from callers in run.Size<int[]>([1, 4, 16], [4])
            select (LoginsPerCall: loginsPerCall, Callers: callers)).ToArray();
        var rounds = run.Size(5, 1);
        var measured = new Rounds();
        // The first round only warms up.
        for (var round = 0; round <= rounds; round++)
        {
            run.Say($"round {round} of {rounds}");
            foreach (var (loginsPerCall, callers) in cells)
            {
                var logins = run.Size(Math.Min(20_000, loginsPerCall * callers * 300), 100);
                var copied = await CopyAsync(run, table, run.Size(20_000, 100));
                var posted = await PostAsync(http, logins, loginsPerCall, callers, run.Stopping);
                if (round == 0)
                    continue;
                measured.Add($"{Copy} {loginsPerCall} {callers}", copied);
                measured.Add($"{loginsPerCall} {callers}", posted);
            }

            await table.EmptyAsync(run.Stopping);
        }

        var result = run.AddTable(
            $"Logins a second through POST /v1/logins, median of {rounds} rounds; COPY with {Writers} connections and {RowsPerCommit} rows a commit",
            "logins a call", "callers", "logins/s", "COPY rows/s", "ratio");
        foreach (var (loginsPerCall, callers) in cells)
        {
            var (cell, copy) = ($"{loginsPerCall} {callers}", $"{Copy} {loginsPerCall} {callers}");
            result.AddRow(loginsPerCall, callers, measured.Median(cell), measured.Median(copy), measured.MedianRatio(cell, copy));
        }

        foreach (var (loginsPerCall, callers) in cells.Where(cell => cell.LoginsPerCall >= 100 && cell.Callers > 1))
        {
            run.Add(
                $"storage through the service ÷ COPY, {loginsPerCall} logins a call, {callers} callers",
                measured.MedianRatio($"{loginsPerCall} {callers}", $"{Copy} {loginsPerCall} {callers}"),
                Target.AtLeast(0.6));
        }
    }

    private static async Task<double> CopyAsync(BenchmarkRun run, BareTable table, int count)
    {
        var now = TimeProvider.System.GetUtcNow();
        var rows = Enumerable.Range(0, count).Select(_ => table.Mask(SomeLogins.Message(now))).ToArray();
        var took = Stopwatch.StartNew();
        await table.CopyAsync(rows, RowsPerCommit, Writers, run.Stopping);
        return count / took.Elapsed.TotalSeconds;
    }

    private static async Task<double> PostAsync(HttpClient http, int logins, int loginsPerCall, int callers, CancellationToken stopping)
    {
        var now = TimeProvider.System.GetUtcNow();
        var bodies = Enumerable.Range(0, logins / loginsPerCall)
            .Select(_ => Enumerable.Range(0, loginsPerCall).Select(_ => SomeLogins.Message(now)).ToArray())
            .Select(messages => JsonSerializer.SerializeToUtf8Bytes(new LoginBatch(messages), ContractsJson.Default.LoginBatch))
            .ToArray();
        var took = Stopwatch.StartNew();
        var options = new ParallelOptions { MaxDegreeOfParallelism = callers, CancellationToken = stopping };
        await Parallel.ForEachAsync(bodies, options, async (body, cancelled) =>
        {
            using var content = new ByteArrayContent(body);
            content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            using var response = await http.PostAsync(new Uri(LoginBatch.Route, UriKind.Relative), content, cancelled);
            response.EnsureSuccessStatusCode();
            var result = await response.Content.ReadFromJsonAsync(ContractsJson.Default.LoginBatchResult, cancelled);
            if (result!.Outcomes.Any(outcome => outcome != LoginOutcome.Stored))
                throw new InvalidOperationException("A login was not stored.");
        });
        return bodies.Length * loginsPerCall / took.Elapsed.TotalSeconds;
    }
}
