using System.Collections.Concurrent;
using Amazon.SQS;
using PiiMasking.SqsComponent.Counters;
using PiiMasking.SqsComponent.Publishing;
using PiiMasking.SqsComponent.Queues;
using PiiMasking.SqsComponent.Subscriptions;

namespace PiiMasking.SqsComponent.Instances;

/// <summary>One Component file, initialised: its client, its queues, its subscriptions. Thread-safe.</summary>
internal sealed class ComponentInstance
{
    // daprd waits five seconds for the answer to a pause, and ends within five seconds of being told to.
    private static readonly TimeSpan AnswersWithin = TimeSpan.FromSeconds(2);

    private static readonly Backoff FindBackoff = Backoff.Between(TimeSpan.FromMilliseconds(200), TimeSpan.FromSeconds(10));

    private readonly SqsClient sqs;
    private readonly QueueDirectory directory;
    private readonly ConcurrentDictionary<string, Lazy<QueuePump>> pumps = new(StringComparer.Ordinal);
    private readonly MessageCounters counters;
    private readonly QueueDepths depths;
    private readonly TimeProvider time;
    private readonly ILoggerFactory loggers;
    private readonly Action<Task> pumpStarted;

    /// <param name="name">metadata.name of the Component.</param>
    /// <param name="settings">What it asks for.</param>
    /// <param name="sqs">Of these settings; disposed with this.</param>
    /// <param name="counters">Of the process.</param>
    /// <param name="depths">Of the process.</param>
    /// <param name="time">Clock of the subscriptions.</param>
    /// <param name="loggers">Of the process.</param>
    /// <param name="pumpStarted">Is given the end of each pump: it fails only by a mistake of ours.</param>
    public ComponentInstance(
        string name,
        SqsSettings settings,
        SqsClient sqs,
        MessageCounters counters,
        QueueDepths depths,
        TimeProvider time,
        ILoggerFactory loggers,
        Action<Task> pumpStarted)
    {
        Name = name;
        Settings = settings;
        this.sqs = sqs;
        this.counters = counters;
        this.depths = depths;
        this.time = time;
        this.loggers = loggers;
        this.pumpStarted = pumpStarted;
        directory = new QueueDirectory(sqs, settings, loggers.CreateLogger<QueueDirectory>());
        Publisher = new Publisher(sqs, directory);
    }

    public string Name { get; }

    public SqsSettings Settings { get; }

    public Publisher Publisher { get; }

    private IEnumerable<QueuePump> Pumps => pumps.Values.Select(pump => pump.Value);

    /// <summary>The pump of a queue, started with the first subscription. Waits while SQS cannot be reached.</summary>
    /// <exception cref="QueueMissingException">There is no such queue, and making it was not asked for.</exception>
    public async Task<QueuePump> PumpAsync(string queue, CancellationToken stopping)
    {
        var trouble = new Trouble(queue, loggers.CreateLogger<QueuePump>());
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                var url = await directory.UrlOfAsync(queue, stopping);
                trouble.Over(Operation.FindQueue);
                return pumps.GetOrAdd(queue, _ => new Lazy<QueuePump>(() => Start(queue, url))).Value;
            }
            catch (Exception fault) when (SqsFaults.IsOutside(fault) && !stopping.IsCancellationRequested)
            {
                // Ending the stream would end the subscription for good: the sidecar does not open it again.
                trouble.Happened(Operation.FindQueue, fault, time.GetElapsedTime(0));
                await Task.Delay(FindBackoff.After(attempt), time, stopping);
            }
        }
    }

    /// <summary>
    /// Receives and hands over no more, and ends when the sidecar has answered what it has, or after two seconds.
    /// </summary>
    /// <remarks>
    /// A sidecar that stops pauses first, and cancels its streams when it believes that nothing is in flight. daprd does not count bulk
    /// deliveries among that, so it would cut them off: stored, never acknowledged, and stored work done again. While it waits for this
    /// call it goes on delivering and answering.
    /// </remarks>
    public async Task PauseAsync(CancellationToken stopping)
    {
        await SetPausedAsync(true, stopping);
        using var patience = new CancellationTokenSource(AnswersWithin, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, stopping);
        try
        {
            await Task.WhenAll(Pumps.Select(pump => pump.AllAnsweredAsync(either.Token)));
        }
        catch (OperationCanceledException) when (patience.IsCancellationRequested)
        {
            // Slower than the sidecar has patience for: what is not answered is delivered again.
        }
    }

    public Task ResumeAsync(CancellationToken stopping) => SetPausedAsync(false, stopping);

    /// <summary>Stops receiving; ends when nothing is left that the sidecar may answer.</summary>
    public Task DrainAsync(CancellationToken giveUp) => Task.WhenAll(Pumps.Select(pump => pump.DrainAsync(giveUp)));

    /// <summary>Gives everything unfinished back to SQS and ends the streams.</summary>
    public async Task FinishAsync(CancellationToken giveUp)
    {
        await Task.WhenAll(Pumps.Select(pump => pump.FinishAsync(giveUp)));
        depths.Forget(sqs);
        sqs.Dispose();
    }

    /// <summary>Another instance took the place of this one: finishes with the last of its streams.</summary>
    public async Task RetireAsync()
    {
        foreach (var pump in Pumps)
            await pump.RetireAsync();
        await Task.WhenAll(Pumps.Select(pump => pump.Completion));
        depths.Forget(sqs);
        sqs.Dispose();
    }

    private async Task SetPausedAsync(bool paused, CancellationToken stopping)
    {
        foreach (var pump in Pumps)
            await pump.PauseAsync(paused, stopping);
    }

    private QueuePump Start(string queue, string url)
    {
        var pump = new QueuePump(
            new SqsQueue(sqs, queue, url, Settings),
            Settings,
            counters,
            time,
            loggers.CreateLogger<QueuePump>(),
            stop =>
            {
                directory.Forget(queue);
                return directory.UrlOfAsync(queue, stop);
            });
        depths.Watch(queue, sqs, url, pump.OldestSentAtAsync);
        pumpStarted(pump.Completion);
        return pump;
    }
}
