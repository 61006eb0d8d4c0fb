using Microsoft.Extensions.Options;
using PiiMasking.SqsComponent.Instances;

namespace PiiMasking.SqsComponent.Hosting;

/// <summary>
/// On SIGTERM the component outlives its sidecar: it stops receiving, takes answers while there are any to come, and then
/// gives everything unfinished back. Only after that does the server stop listening.
/// </summary>
internal sealed class GracefulStop(ComponentInstances instances, IOptions<ComponentOptions> options, TimeProvider time)
    : IHostedLifecycleService
{
    // The rest is for giving messages back.
    private const double ShareForAnswers = 0.8;

    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        using var answersUntil = new CancellationTokenSource(options.Value.StopWithin * ShareForAnswers, time);
        using var giveUp = new CancellationTokenSource(options.Value.StopWithin, time);
        await instances.StopAsync(answersUntil.Token, giveUp.Token);
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}

internal static class GracefulStopRegistration
{
    // For the server, after everything is given back.
    private static readonly TimeSpan Slack = TimeSpan.FromSeconds(5);

    public static void AddGracefulStop(this WebApplicationBuilder builder)
    {
        builder.Services.AddHostedService<GracefulStop>();
        builder.Services.AddOptions<HostOptions>().Configure<IOptions<ComponentOptions>>(
            (host, component) => host.ShutdownTimeout = component.Value.StopWithin + Slack);
    }
}
