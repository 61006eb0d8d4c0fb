using System.Diagnostics;
using System.Net;
using System.Text.Json;
using PiiMasking.Backing;

namespace PiiMasking.AppHost;

/// <summary>Waits for services that say themselves what they lack.</summary>
internal sealed class ServiceReadiness : IDisposable
{
    /// <summary>A service that has said for so long that it lacks the same thing, though all it needs is there, will not get it.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>For the start of a process on a busy machine.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);

    private readonly HttpClient http = new(new SocketsHttpHandler { UseProxy = false }) { Timeout = TimeSpan.FromSeconds(5) };

    /// <summary>Waits until the address answers 2xx.</summary>
    /// <param name="process">Who answers.</param>
    /// <param name="address">Its probe; an answer of 503 may name in JSON what is missing.</param>
    /// <param name="stopping">Ends the wait.</param>
    /// <exception cref="BackingException">It ended, lacks something, or did not answer in time.</exception>
    public async Task WaitAsync(ChildProcess process, Uri address, CancellationToken stopping)
    {
        string? lacks = null;
        var since = Stopwatch.StartNew();
        await Readiness.WaitAsync(process, Limit, async () =>
        {
            using var answer = await http.GetAsync(address, stopping);
            if (answer.IsSuccessStatusCode)
                return true;
            var now = await WhatIsMissingAsync(answer, stopping);
            if (now != lacks)
            {
                lacks = now;
                since.Restart();
            }
            else if (since.Elapsed > Patience)
            {
                throw new BackingException($"{process.Name} is not ready: {lacks}. Its output: {process.LogFile}");
            }

            return false;
        }, stopping);
    }

    public void Dispose() => http.Dispose();

    private static async Task<string> WhatIsMissingAsync(HttpResponseMessage answer, CancellationToken stopping)
    {
        if (answer.StatusCode == HttpStatusCode.ServiceUnavailable && answer.Content.Headers.ContentType?.MediaType == "application/json")
        {
            using var json = JsonDocument.Parse(await answer.Content.ReadAsByteArrayAsync(stopping));
            if (json.RootElement.TryGetProperty("missing", out var missing) && missing.ValueKind == JsonValueKind.Object)
                return string.Join("; ", missing.EnumerateObject().Select(entry => $"{entry.Name}: {entry.Value}"));
        }

        return $"its probe answers {(int)answer.StatusCode}";
    }
}
