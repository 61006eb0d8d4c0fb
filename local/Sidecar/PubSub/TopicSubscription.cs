using System.Collections.Concurrent;
using PiiMasking.Sidecar.Components;

namespace PiiMasking.Sidecar.PubSub;

/// <summary>One subscription at work: its stream, what is in flight, and the answers.</summary>
internal sealed class TopicSubscription
{
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(60);

    private readonly AppSubscription subscription;
    private readonly PubSubComponent component;
    private readonly SingleDelivery single;
    private readonly BulkDelivery bulk;
    private readonly Publisher publisher;
    private readonly TimeProvider time;
    private readonly ILogger logger;
    private readonly bool isConcurrent;
    private readonly BulkBatcher? batcher;
    private readonly TaskCompletionSource drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool isClosing;
    private int inFlight;

    public TopicSubscription(
        AppSubscription subscription, PubSubComponent component, SingleDelivery single, BulkDelivery bulk, Publisher publisher,
        SidecarOptions options, TimeProvider time, ILogger logger)
    {
        this.subscription = subscription;
        this.component = component;
        this.single = single;
        this.bulk = bulk;
        this.publisher = publisher;
        this.time = time;
        this.logger = logger;
        isConcurrent = options.ConcurrentDispatch;

        if (subscription.Bulk is { } settings)
        {
            var immediately = component.Broker.Features.Contains(PubSubFeatures.BulkSubscribeImmediately);
            if (immediately && settings.AwaitIsGiven)
                logger.AwaitIgnored(subscription.PubSubName, subscription.Topic);
            batcher = new BulkBatcher(settings.MaxMessages, immediately ? null : settings.MaxAwait, DeliverBulkAsync, time);
        }
    }

    /// <summary>Subscribes, and handles messages until stopped or until the stream ends: it is not opened again.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        try
        {
            using var stream = await OpenAsync(stopping);
            logger.Subscribed(subscription.PubSubName, subscription.Topic, subscription.Route);
            using var ended = CancellationTokenSource.CreateLinkedTokenSource(stopping);
            var batching = batcher?.RunAsync(ended.Token) ?? Task.CompletedTask;
            try
            {
                await PumpAsync(stream, ended.Token);
                logger.StreamEnded(subscription.PubSubName, subscription.Topic);
            }
            catch (ComponentException broken)
            {
                logger.StreamBroken(subscription.PubSubName, subscription.Topic, broken.Message);
            }
            finally
            {
                await ended.CancelAsync();
                await batching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // Stopped.
        }
        catch (Exception defect) when (defect is not OperationCanceledException)
        {
            // Our own mistake: this stream is lost, the others go on. Only its kind, since the text may quote a message.
            logger.StreamBroken(subscription.PubSubName, subscription.Topic, defect.GetType().Name);
        }
    }

    /// <summary>Something is with the app, or its outcome not yet answered.</summary>
    public bool IsBusy => Volatile.Read(ref inFlight) > 0;

    /// <summary>Takes nothing new. Returns when everything in flight is answered.</summary>
    public Task CloseAsync()
    {
        isClosing = true;
        SignalIfDrained();
        return drained.Task;
    }

    /// <summary>Asks the component to hand over nothing more.</summary>
    public Task PauseAsync(CancellationToken stopping) => component.Broker.PauseAsync(stopping);

    private async Task<IMessageStream> OpenAsync(CancellationToken stopping)
    {
        var delay = FirstRetry;
        for (; ; )
        {
            try
            {
                return await component.Broker.OpenAsync(component.TopicPrefix + subscription.Topic, subscription.Metadata, stopping);
            }
            catch (ComponentException failed)
            {
                logger.SubscribeFailed(subscription.PubSubName, subscription.Topic, failed.Message);
            }

            await Task.Delay(delay, time, stopping);
            delay = TimeSpan.FromTicks(Math.Min((long)(delay.Ticks * 1.5), LongestRetry.Ticks));
        }
    }

    // Released daprd handles one message of a stream after the other. Without that, the component alone bounds how many there are.
    private async Task PumpAsync(IMessageStream stream, CancellationToken stopping)
    {
        var handling = new ConcurrentDictionary<Task, byte>();
        try
        {
            await foreach (var message in stream.ReadAllAsync(stopping))
            {
                var task = HandleAsync(stream, message, stopping);
                if (!isConcurrent)
                {
                    await task;
                }
                else if (!task.IsCompleted)
                {
                    handling[task] = 0;
                    _ = task.ContinueWith(
                        done => handling.TryRemove(done, out _), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously,
                        TaskScheduler.Default);
                }
            }
        }
        finally
        {
            await Task.WhenAll(handling.Keys).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task HandleAsync(IMessageStream stream, InboundMessage message, CancellationToken stopping)
    {
        Interlocked.Increment(ref inFlight);
        var isHeld = true;
        try
        {
            if (!isClosing)
            {
                message = Stripped(message);
                var error = batcher is null
                    ? await DeliverSingleAsync(message, stopping)
                    : await batcher.SubmitAsync(message, stopping);
                if (error is null || !isClosing)
                {
                    await stream.AnswerAsync(message, error, stopping);
                    return;
                }
            }

            // While the sidecar stops, what did not succeed is neither acknowledged nor given back: the stream takes it along.
            isHeld = false;
            Release();
            await Task.Delay(Timeout.InfiniteTimeSpan, time, stopping);
        }
        catch (OperationCanceledException)
        {
            // The stream is gone, and the component has the message back.
        }
        catch (ComponentException failed)
        {
            logger.AnswerFailed(subscription.PubSubName, subscription.Topic, failed.Message);
        }
        finally
        {
            if (isHeld)
                Release();
        }
    }

    private async Task<string?> DeliverSingleAsync(InboundMessage message, CancellationToken stopping)
    {
        var outcome = await single.DeliverAsync(subscription, message, stopping);
        switch (outcome)
        {
            case Outcome.Expired:
                logger.MessageExpired(subscription.PubSubName, subscription.Topic);
                await TryDeadLetterAsync(message, stopping);
                return null;
            case Outcome.Dropped:
                logger.MessageDropped(subscription.PubSubName, subscription.Topic);
                return await TryDeadLetterAsync(message, stopping) is { } refused ? refused : null;
            case Outcome.Failed failed:
                logger.DeliveryFailed(subscription.PubSubName, subscription.Topic, failed.Error);
                if (subscription.DeadLetterTopic is null || isClosing)
                    return failed.Error;
                return await TryDeadLetterAsync(message, stopping) is null ? null : failed.Error;
            default:
                return null;
        }
    }

    private async Task<string?[]> DeliverBulkAsync(IReadOnlyList<InboundMessage> messages, CancellationToken stopping)
    {
        var outcomes = await bulk.DeliverAsync(subscription, messages, stopping);
        var errors = new string?[messages.Count];
        var failedMessages = new List<InboundMessage>();
        for (var i = 0; i < messages.Count; i++)
        {
            switch (outcomes[i])
            {
                case Outcome.Expired or Outcome.Dropped:
                    await TryDeadLetterAsync(messages[i], stopping);
                    break;
                case Outcome.Failed failed:
                    errors[i] = failed.Error;
                    failedMessages.Add(messages[i]);
                    break;
            }
        }

        if (failedMessages.Count == 0)
            return errors;

        logger.BulkDeliveryFailed(
            subscription.PubSubName, subscription.Topic, failedMessages.Count, messages.Count, errors.First(error => error is not null)!);
        if (subscription.DeadLetterTopic is not { } deadLetters || isClosing)
            return errors;

        if (await publisher.DeadLetterAsync(component, deadLetters, failedMessages, stopping) is not { } refused)
            return new string?[messages.Count];
        logger.DeadLetterFailed(subscription.PubSubName, deadLetters, refused);
        return errors;
    }

    /// <returns>Null if the message is on the dead-letter topic or there is none; else why it is not.</returns>
    private async Task<string?> TryDeadLetterAsync(InboundMessage message, CancellationToken stopping)
    {
        if (subscription.DeadLetterTopic is not { } topic)
            return null;
        if (await publisher.DeadLetterAsync(component, topic, message, stopping) is not { } refused)
            return null;
        logger.DeadLetterFailed(subscription.PubSubName, topic, refused);
        return refused;
    }

    private InboundMessage Stripped(InboundMessage message) =>
        component.TopicPrefix.Length > 0 && message.Topic.StartsWith(component.TopicPrefix, StringComparison.Ordinal)
            ? message with { Topic = message.Topic[component.TopicPrefix.Length..] }
            : message;

    private void Release()
    {
        Interlocked.Decrement(ref inFlight);
        SignalIfDrained();
    }

    private void SignalIfDrained()
    {
        if (isClosing && Volatile.Read(ref inFlight) == 0)
            drained.TrySetResult();
    }
}
