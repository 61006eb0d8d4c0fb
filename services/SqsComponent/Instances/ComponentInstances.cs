using System.Collections.Concurrent;
using PiiMasking.SqsComponent.Counters;
using PiiMasking.SqsComponent.Queues;
using PiiMasking.SqsComponent.Watchdog;

namespace PiiMasking.SqsComponent.Instances;

/// <summary>The Component files that sidecars have initialised here, by metadata.name. Thread-safe.</summary>
internal sealed class ComponentInstances(
    MessageCounters counters,
    QueueDepths depths,
    TimeProvider time,
    ILoggerFactory loggers,
    SidecarSightings sightings,
    ILogger<ComponentInstances> logger) : IDisposable
{
    private readonly TaskCompletionSource mistake = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ConcurrentDictionary<string, ComponentInstance> instances = new(StringComparer.Ordinal);
    private readonly ConcurrentBag<Task> retiring = [];
    private readonly SemaphoreSlim oneAtATime = new(1);

    /// <summary>Fails when a pump does, which is a mistake of ours; never ends otherwise.</summary>
    public Task Mistake => mistake.Task;

    public ComponentInstance? Find(string name) => instances.GetValueOrDefault(name);

    /// <summary>
    /// A sidecar that restarts initialises again: with the same settings it goes on with the instance that is there, and
    /// with the messages that this holds. With others a new instance takes over.
    /// </summary>
    /// <exception cref="MetadataException">The settings are wrong, or SQS cannot be reached.</exception>
    public async Task InitAsync(
        string name, IReadOnlyCollection<KeyValuePair<string, string>> properties, CancellationToken stopping)
    {
        var settings = ComponentMetadata.Parse(properties);
        await oneAtATime.WaitAsync(stopping);
        try
        {
            if (Find(name) is { } present && present.Settings == settings)
            {
                await present.ResumeAsync(stopping);
                logger.InitialisedAgain(name);
            }
            else
            {
                var sqs = SqsClients.Make(settings);
                try
                {
                    await SqsClients.CheckAsync(sqs, settings, stopping);
                }
                catch
                {
                    sqs.Dispose();
                    throw;
                }

                var replaced = Find(name);
                instances[name] = new ComponentInstance(
                    name, settings, sqs, counters, depths, time, loggers, pump => _ = ReportMistakeAsync(pump));
                if (replaced is not null)
                    retiring.Add(replaced.RetireAsync());
                logger.Initialised(name, SqsClients.Place(settings));
            }

            sightings.Initialised();
        }
        finally
        {
            oneAtATime.Release();
        }
    }

    /// <summary>Takes answers until there are none to come, or the time is up; then gives everything unfinished back.</summary>
    /// <param name="answersUntil">Cancelled when no more answers are waited for.</param>
    /// <param name="giveUp">Cancelled when the process has to end, whatever is left.</param>
    public async Task StopAsync(CancellationToken answersUntil, CancellationToken giveUp)
    {
        try
        {
            await Task.WhenAll(instances.Values.Select(instance => instance.DrainAsync(answersUntil)));
        }
        catch (OperationCanceledException) when (answersUntil.IsCancellationRequested)
        {
            logger.AnswersMissing();
        }

        await Task.WhenAll(instances.Values.Select(instance => instance.FinishAsync(giveUp)));
        try
        {
            await Task.WhenAll(retiring).WaitAsync(giveUp);
        }
        catch (OperationCanceledException) when (giveUp.IsCancellationRequested)
        {
            // What they hold shows again after its visibility timeout.
        }
    }

    public void Dispose() => oneAtATime.Dispose();

    private async Task ReportMistakeAsync(Task pump)
    {
        try
        {
            await pump;
        }
        catch (Exception failure)
        {
            mistake.TrySetException(failure);
        }
    }
}
