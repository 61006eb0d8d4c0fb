using System.Net.Http.Headers;
using System.Net.Mime;
using PiiMasking.Sidecar.App;
using PiiMasking.Sidecar.Components;
using PiiMasking.Sidecar.Invocation;
using PiiMasking.Sidecar.PubSub;
using PiiMasking.Sidecar.Resources;

namespace PiiMasking.Sidecar;

/// <summary>daprd's sequence of start and stop.</summary>
internal sealed class SidecarRuntime(
    SidecarOptions options, ResourceLoader resources, ComponentRegistry components, NameResolution names, AppChannel app,
    AppHealth health, Subscriptions subscriptions, Readiness readiness, ILogger<SidecarRuntime> logger)
{
    /// <summary>What comes before the API is up.</summary>
    /// <exception cref="StartupException">Something asked for cannot be had.</exception>
    public async Task PrepareAsync(CancellationToken stopping)
    {
        foreach (var flag in options.WithoutEffect)
            logger.FlagWithoutEffect(flag);
        foreach (var argument in options.Stray)
            logger.StrayArgument(argument);

        var loaded = resources.Load();
        subscriptions.Declare(loaded.Subscriptions);
        await components.LoadAsync(loaded.Components, stopping);
    }

    /// <summary>What comes once the API is up. Returns when stopped, with everything in flight answered or given up.</summary>
    /// <exception cref="StartupException">A subscription of the app needs what the stand-in does not have.</exception>
    public async Task RunAsync(CancellationToken stopping)
    {
        names.Register();
        readiness.IsOutboundReady = true;
        logger.OutboundReady();
        try
        {
            await ServeAppAsync(stopping);
            await Task.Delay(Timeout.InfiniteTimeSpan, stopping);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // The way every run ends.
        }
        finally
        {
            logger.Stopping();
            await names.UnregisterAsync();
            await subscriptions.ShutDownAsync();
        }
    }

    private async Task ServeAppAsync(CancellationToken stopping)
    {
        if (!app.Exists)
        {
            BecomeReady();
            return;
        }

        await health.WaitForPortAsync(stopping);
        if (options.AsksAppConfig)
            await AskForConfigAsync(stopping);
        BecomeReady();

        if (options.AppHealthCheck)
            await health.ProbeAsync(well => well ? subscriptions.StartAsync(stopping) : subscriptions.StopAsync(), stopping);
        else
            await subscriptions.StartAsync(stopping);
    }

    private void BecomeReady()
    {
        readiness.IsReady = true;
        logger.Ready();
    }

    // What the app answers concerns actors only, which the stand-in does not have.
    private async Task AskForConfigAsync(CancellationToken stopping)
    {
        try
        {
            using var request = app.Request(HttpMethod.Get, "/dapr/config");
            request.Content = new ByteArrayContent([]);
            request.Content.Headers.ContentType = new MediaTypeHeaderValue(MediaTypeNames.Application.Json);
            app.Authenticate(request);
            using var response = await app.AskAsync(request, stopping);
            logger.AppConfigAnswered((int)response.StatusCode);
        }
        catch (HttpRequestException)
        {
            logger.AppConfigUnreachable();
        }
    }
}
