using Microsoft.Extensions.Hosting;

namespace PiiMasking.ServiceDefaults;

/// <summary>Knows whether the host has started.</summary>
internal sealed class StartupWatch : IHostedLifecycleService
{
    private volatile bool isOver;

    public bool IsOver => isOver;

    public Task StartedAsync(CancellationToken cancellationToken)
    {
        isOver = true;
        return Task.CompletedTask;
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
