using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using PiiMasking.AppHost;
using PiiMasking.Contracts;

namespace PiiMasking.Benchmarks;

/// <summary>Calls the masking service of a system as its sidecar does.</summary>
internal sealed class LoginsClient : IDisposable
{
    private readonly HttpClient http;

    public LoginsClient(LocalSystem system)
    {
        http = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = new Uri($"http://127.0.0.1:{system.ToMasking.AppPort}") };
        http.DefaultRequestHeaders.Add("dapr-api-token", system.ToMasking.AppToken);
    }

    /// <summary>Stores logins; what is sent is ready before the clock starts.</summary>
    /// <returns>Logins a second.</returns>
    public async Task<double> PostAsync(int logins, int loginsPerCall, int callers, CancellationToken stopping)
    {
        var now = TimeProvider.System.GetUtcNow();
        var bodies = Enumerable.Range(0, logins / loginsPerCall)
            .Select(_ => Enumerable.Range(0, loginsPerCall).Select(_ => SomeLogins.Message(now)).ToArray())
            .Select(messages => JsonSerializer.SerializeToUtf8Bytes(new LoginBatch(messages), ContractsJson.Default.LoginBatch))
            .ToArray();
        var took = Stopwatch.StartNew();
        var options = new ParallelOptions { MaxDegreeOfParallelism = callers, CancellationToken = stopping };
        await Parallel.ForEachAsync(bodies, options, PostAsync);
        return bodies.Length * loginsPerCall / took.Elapsed.TotalSeconds;
    }

    public void Dispose() => http.Dispose();

    private async ValueTask PostAsync(byte[] body, CancellationToken stopping)
    {
        using var content = new ByteArrayContent(body);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using var response = await http.PostAsync(new Uri(LoginBatch.Route, UriKind.Relative), content, stopping);
        response.EnsureSuccessStatusCode();
        var result = await response.Content.ReadFromJsonAsync(ContractsJson.Default.LoginBatchResult, stopping);
        if (result!.Outcomes.Any(outcome => outcome != LoginOutcome.Stored))
            throw new InvalidOperationException("A login was not stored.");
    }
}
