namespace PiiMasking.SqsComponent.Instances;

/// <summary>
/// Stops the process when a pump failed by a mistake of ours: a fresh process does better than one with a queue that nobody
/// reads, and its supervisor learns of it.
/// </summary>
internal sealed class StopOnMistake(ComponentInstances instances) : BackgroundService
{
    protected override Task ExecuteAsync(CancellationToken stoppingToken) => instances.Mistake.WaitAsync(stoppingToken);
}
