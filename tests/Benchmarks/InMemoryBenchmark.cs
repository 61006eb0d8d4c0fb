using System.Diagnostics;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace PiiMasking.Benchmarks;

/// <summary>
/// From <c>pubsub.in-memory</c> to the committed row: the services without the emulator and without batches of the component's. The sidecar is
/// the publisher's as well, so that what publishing costs it counts too.
/// </summary>
internal static class InMemoryBenchmark
{
    private const int EntriesPerCall = 100;
    private const int Publishers = 4;
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(20);

    public static Benchmark Benchmark { get; } = new("in-memory", "logins a second from Dapr's in-memory broker to the row", AnswerAsync);

    private static async Task AnswerAsync(BenchmarkRun run)
    {
        await using var system = await BenchmarkSystem.StartAsync(run, new SystemSetup { IsInMemory = true, IsConcurrent = true });
        var door = system.System.ToIngestion;
        using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = door.Address };
        http.DefaultRequestHeaders.Add("dapr-api-token", door.ApiToken);

        var rounds = run.Rounds(5);
        var count = run.Size(50_000, 300);
        var measured = new Rounds();
        string[] programs = [.. BenchmarkSystem.ProgramNames.Where(name => name is not "SqsComponent" and not "SQS emulator")];
        for (var round = 0; round <= rounds; round++)
        {
            // The first round only warms up.
            if (round == 1)
                measured = new Rounds();
            run.Say($"round {round} of {rounds}");
            var bodies = Enumerable.Range(0, count).Chunk(EntriesPerCall).Select(entries => Body(entries.Length)).ToArray();
            var before = (await system.System.Database.TotalsAsync(run.Stopping)).Stored;
            var cpu = system.CpuTimes();
            var took = Stopwatch.StartNew();
            await Parallel.ForEachAsync(
                bodies,
                new ParallelOptions { MaxDegreeOfParallelism = Publishers, CancellationToken = run.Stopping },
                (body, stopping) => PublishAsync(http, body, stopping));
            while ((await system.System.Database.TotalsAsync(run.Stopping)).Stored < before + count)
                await Task.Delay(PollInterval, run.Stopping);
            measured.Add("logins/s", count / took.Elapsed.TotalSeconds);
            foreach (var (program, time) in system.CpuTimes())
                measured.Add(program, (time - cpu[program]).TotalMicroseconds / count);
        }

        var table = run.AddTable("CPU time, µs a login", [.. programs, "all"]);
        table.AddRow([.. programs.Select(program => (object)measured.Median(program)), programs.Sum(measured.Median)]);
        run.Add("in-memory broker → row, logins/s", measured.Median("logins/s"), Target.AtLeast(10_000));
    }

    private static byte[] Body(int entries) => JsonSerializer.SerializeToUtf8Bytes(new JsonArray([.. Enumerable.Range(0, entries).Select(entry =>
        new JsonObject
        {
            ["entryId"] = $"{entry}",
            ["event"] = JsonNode.Parse(SomeLogins.Body()),
            ["contentType"] = "application/json",
        })]));

    private static async ValueTask PublishAsync(HttpClient http, byte[] body, CancellationToken stopping)
    {
        using var content = new ByteArrayContent(body);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using var response = await http.PostAsync(new Uri("/v1.0/publish/bulk/logins/login-queue", UriKind.Relative), content, stopping);
        response.EnsureSuccessStatusCode();
    }
}
