using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using PiiMasking.AppHost;
using PiiMasking.Contracts;

namespace PiiMasking.Benchmarks;

/// <summary>
/// Calls of <c>POST /v1/logins</c> at fixed times, whatever became of the one before; each is made until it is committed, and every tenth once
/// more after that, as a queue would do it.
/// </summary>
internal sealed class SteadyIngest : IDisposable
{
    private const int RedeliveredEvery = 10;
    private const int MostAtOnce = 32;
    private static readonly TimeSpan Retry = TimeSpan.FromMilliseconds(200);

    private readonly GroupTruth truth;
    private readonly int loginsPerCall;
    private readonly TimeSpan interval;
    private readonly HttpClient http;
    private readonly Stopwatch clock = new();
    private readonly ConcurrentQueue<(TimeSpan At, DateTime EndedAt, TimeSpan Took, int Logins)> calls = new();

    public SteadyIngest(Sidecar masking, GroupTruth truth, int loginsPerCall, int callsPerSecond)
    {
        (this.truth, this.loginsPerCall, interval) = (truth, loginsPerCall, TimeSpan.FromSeconds(1) / callsPerSecond);
        http = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = new Uri($"http://127.0.0.1:{masking.AppPort}") };
        http.DefaultRequestHeaders.Add("dapr-api-token", masking.AppToken);
    }

    /// <summary>Since it began.</summary>
    public TimeSpan Elapsed => clock.Elapsed;

    /// <summary>Logins that were committed, a second.</summary>
    public double Rate(TimeSpan from, TimeSpan to) =>
        calls.Where(call => call.At >= from && call.At < to).Sum(call => call.Logins) / (to - from).TotalSeconds;

    /// <summary>The longest wait for an answer among calls that ended in a stretch of time (UTC).</summary>
    public TimeSpan LongestCall(DateTime from, DateTime to) =>
        calls.Where(call => call.EndedAt >= from && call.EndedAt <= to).Select(call => call.Took).DefaultIfEmpty().Max();

    /// <summary>Goes on until it is stopped, and then finishes the calls under way, without an exception.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        clock.Start();
        using var room = new SemaphoreSlim(MostAtOnce);
        using var timer = new PeriodicTimer(interval);
        var open = new List<Task>();
        try
        {
            for (var number = 1; await timer.WaitForNextTickAsync(stopping); number++)
            {
                await room.WaitAsync(stopping);
                open.RemoveAll(call => call.IsCompletedSuccessfully);
                open.Add(CallAsync(isTwice: number % RedeliveredEvery == 0, room));
            }
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(open);
        }
    }

    public void Dispose() => http.Dispose();

    private async Task CallAsync(bool isTwice, SemaphoreSlim room)
    {
        var now = TimeProvider.System.GetUtcNow();
        var messages = Enumerable.Range(0, loginsPerCall).Select(_ => truth.Make(now)).ToArray();
        var body = JsonSerializer.SerializeToUtf8Bytes(new LoginBatch(messages), ContractsJson.Default.LoginBatch);
        try
        {
            var took = Stopwatch.StartNew();
            while (!await TryPostAsync(body))
                await Task.Delay(Retry);
            calls.Enqueue((clock.Elapsed, TimeProvider.System.GetUtcNow().UtcDateTime, took.Elapsed, messages.Length));
            truth.AreStored(messages);
            if (isTwice)
                await TryPostAsync(body);
        }
        finally
        {
            room.Release();
        }
    }

    private async Task<bool> TryPostAsync(byte[] body)
    {
        try
        {
            using var content = new ByteArrayContent(body);
            content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            using var response = await http.PostAsync(new Uri(LoginBatch.Route, UriKind.Relative), content);
            if (!response.IsSuccessStatusCode)
                return false;
            var result = await response.Content.ReadFromJsonAsync(ContractsJson.Default.LoginBatchResult);
            return result!.Outcomes.All(outcome => outcome is LoginOutcome.Stored or LoginOutcome.Repeated);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            return false;   // killed
        }
    }
}
