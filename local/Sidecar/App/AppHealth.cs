using System.Net.Sockets;

namespace PiiMasking.Sidecar.App;

/// <summary>Finds out whether the app is there and well.</summary>
internal sealed class AppHealth(SidecarOptions options, AppChannel app, TimeProvider time, ILogger<AppHealth> logger)
{
    private static readonly TimeSpan PortRetry = TimeSpan.FromMilliseconds(100);

    /// <summary>Returns once the app's port accepts a connection.</summary>
    public async Task WaitForPortAsync(CancellationToken stopping)
    {
        logger.WaitingForApp(options.AppPort!.Value);
        while (!await AcceptsAsync(stopping))
            await Task.Delay(PortRetry, time, stopping);
        logger.AppDiscovered(options.AppPort.Value);
    }

    /// <summary>
    /// Probes until stopped and reports every change: the first success, then <c>threshold</c> failures in a row, then one success.
    /// </summary>
    public async Task ProbeAsync(Func<bool, Task> changed, CancellationToken stopping)
    {
        app.IsHealthy = false;
        var failures = 0;
        using var timer = new PeriodicTimer(options.AppHealthInterval, time);
        do
        {
            if (await IsWellAsync(stopping))
            {
                failures = 0;
                if (app.IsHealthy)
                    continue;
                app.IsHealthy = true;
                logger.AppHealthy();
                await changed(true);
            }
            else if (++failures >= options.AppHealthThreshold && app.IsHealthy)
            {
                app.IsHealthy = false;
                logger.AppUnhealthy(failures);
                await changed(false);
            }
        }
        while (await timer.WaitForNextTickAsync(stopping));
    }

    private async Task<bool> AcceptsAsync(CancellationToken stopping)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(options.AppChannelAddress, options.AppPort!.Value, stopping);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private async Task<bool> IsWellAsync(CancellationToken stopping)
    {
        using var limit = new CancellationTokenSource(options.AppHealthTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, stopping);
        try
        {
            using var request = app.Request(HttpMethod.Get, options.AppHealthPath);
            using var response = await app.AskAsync(request, either.Token);
            return response.IsSuccessStatusCode;
        }
        catch (Exception failed) when (failed is HttpRequestException or OperationCanceledException)
        {
            stopping.ThrowIfCancellationRequested();
            return false;
        }
    }
}
