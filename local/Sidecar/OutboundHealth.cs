namespace PiiMasking.Sidecar;

/// <summary>--wait: waits for a sidecar that runs already.</summary>
internal static class OutboundHealth
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <exception cref="StartupException">It is not ready within a minute.</exception>
    public static async Task WaitAsync(string port)
    {
        using var http = new HttpClient();
        using var patience = new CancellationTokenSource(Limit);
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
        try
        {
            do
            {
                if (await IsReadyAsync(http, port, patience.Token))
                    return;
            }
            while (await timer.WaitForNextTickAsync(patience.Token));
        }
        catch (OperationCanceledException)
        {
            throw new StartupException($"the sidecar on port {port} (--dapr-http-port) was not ready within {Limit.TotalSeconds:0} s");
        }
    }

    private static async Task<bool> IsReadyAsync(HttpClient http, string port, CancellationToken stopping)
    {
        try
        {
            using var response = await http.GetAsync($"http://127.0.0.1:{port}/v1.0/healthz/outbound", stopping);
            return response.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }
}
