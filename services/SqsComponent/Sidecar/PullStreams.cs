using System.Globalization;
using Google.Protobuf;
using Grpc.Core;
using PiiMasking.SqsComponent.Batches;
using PiiMasking.SqsComponent.Instances;
using PiiMasking.SqsComponent.Protos;
using PiiMasking.SqsComponent.Queues;
using PiiMasking.SqsComponent.Subscriptions;
using PiiMasking.SqsComponent.Watchdog;

namespace PiiMasking.SqsComponent.Sidecar;

/// <summary>Runs PullMessages streams: batches go out, answers come in. Ends none because SQS has a bad day.</summary>
internal sealed class PullStreams(SidecarSightings sightings, ILogger<PullStreams> logger)
{
    private const string QueueEntry = "queue";
    private const string RawPayloadEntry = "rawPayload";

    // daprd sends message metadata to the app as headers: our own prefix, and values that are ours, never a producer's.
    private const string QueueHeader = "sqs-queue";
    private const string CountHeader = "sqs-message-count";

    // By this name daprd hands it on: as a header, or in an entry's metadata.
    private const string TraceHeader = "traceparent";

    public async Task RunAsync(
        ComponentInstance instance,
        Topic topic,
        IAsyncStreamReader<PullMessagesRequest> requests,
        IServerStreamWriter<PullMessagesResponse> responses,
        CancellationToken cancelled)
    {
        using var sighting = sightings.StreamOpened(instance.Name, topic.Name);
        var queue = Entry(topic, QueueEntry) ?? topic.Name;
        if (QueueName.Fault(queue) is { } fault)
            throw NotSubscribed(instance, topic, StatusCode.InvalidArgument, $"queue '{queue}': {fault}");
        if (!bool.TryParse(Entry(topic, RawPayloadEntry), out var raw) || !raw)
            logger.NotRaw(topic.Name, instance.Name);

        QueuePump pump;
        try
        {
            pump = await instance.PumpAsync(queue, cancelled);
        }
        catch (QueueMissingException missing)
        {
            throw NotSubscribed(instance, topic, StatusCode.NotFound, missing.Message);
        }

        var subscription = new Subscription(topic.Name, instance.Settings);
        await pump.OpenAsync(subscription, cancelled);
        logger.Subscribed(topic.Name, instance.Name, queue);
        try
        {
            await CarryAsync(pump, subscription, queue, requests, responses, cancelled);
        }
        finally
        {
            await pump.CloseAsync(subscription);
            logger.SubscriptionEnded(topic.Name, instance.Name);
        }
    }

    /// <summary>Carries both directions until either ends, and leaves neither behind.</summary>
    private static async Task CarryAsync(
        QueuePump pump,
        Subscription subscription,
        string queue,
        IAsyncStreamReader<PullMessagesRequest> requests,
        IServerStreamWriter<PullMessagesResponse> responses,
        CancellationToken cancelled)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancelled);
        using var spans = new DeliverySpans(queue);
        var answers = TakeAnswersAsync(pump, subscription, requests, spans, ended.Token);
        var batches = WriteBatchesAsync(subscription, queue, responses, spans, ended.Token);
        var first = await Task.WhenAny(answers, batches);
        await ended.CancelAsync();
        // The other direction ends with the first, in whatever way; it only must not be left running.
        await (first == answers ? batches : answers).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        try
        {
            await first;
        }
        catch (Exception hungUp) when (hungUp is OperationCanceledException or IOException)
        {
            // How the end of a stream looks when the sidecar cancels it, or is gone.
        }
    }

    private static async Task TakeAnswersAsync(
        QueuePump pump,
        Subscription subscription,
        IAsyncStreamReader<PullMessagesRequest> requests,
        DeliverySpans spans,
        CancellationToken ended)
    {
        while (await requests.MoveNext(ended))
        {
            var request = requests.Current;
            if (request.AckMessageId.Length == 0)
                continue;
            spans.End(request.AckMessageId, succeeded: request.AckError is null);
            await pump.AnswerAsync(subscription, request.AckMessageId, succeeded: request.AckError is null, ended);
        }
    }

    private static async Task WriteBatchesAsync(
        Subscription subscription,
        string queue,
        IServerStreamWriter<PullMessagesResponse> responses,
        DeliverySpans spans,
        CancellationToken ended)
    {
        var source = CloudEventsBatch.SourceOf(queue);
        await foreach (var handover in subscription.Handovers.ReadAllAsync(ended))
        {
            using var buffer = new PooledBuffer(handover.Messages.Sum(message => message.SizeInBatch + 1) + 2);
            CloudEventsBatch.Write(buffer, source, handover.Messages.Select(message => message.Message));
            var response = new PullMessagesResponse
            {
                Id = handover.Token,
                TopicName = subscription.Topic,
                ContentType = CloudEventsBatch.ContentType,
                Metadata =
                {
                    [QueueHeader] = queue,
                    [CountHeader] = handover.Messages.Count.ToString(CultureInfo.InvariantCulture),
                },
                // Written to the stream before the buffer is given back.
                Data = UnsafeByteOperations.UnsafeWrap(buffer.Written),
            };
            if (spans.Start(handover) is { } trace)
                response.Metadata[TraceHeader] = trace;
            await responses.WriteAsync(response, ended);
        }
    }

    private RpcException NotSubscribed(ComponentInstance instance, Topic topic, StatusCode code, string reason)
    {
        logger.NotSubscribed(topic.Name, instance.Name, reason);
        return new RpcException(new Status(code, $"topic '{topic.Name}' of component '{instance.Name}' cannot be subscribed: {reason}"));
    }

    private static string? Entry(Topic topic, string name) =>
        topic.Metadata.FirstOrDefault(entry => entry.Key.Equals(name, StringComparison.OrdinalIgnoreCase)).Value is { Length: > 0 } value
            ? value
            : null;
}
