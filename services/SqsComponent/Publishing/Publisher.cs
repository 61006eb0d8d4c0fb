using System.Globalization;
using Amazon.SQS;
using Amazon.SQS.Model;
using PiiMasking.SqsComponent.Protos;
using PiiMasking.SqsComponent.Queues;

namespace PiiMasking.SqsComponent.Publishing;

/// <summary>Sends what apps publish: the topic is the name of the queue, the data its message. Thread-safe.</summary>
internal sealed class Publisher(IAmazonSQS sqs, QueueDirectory directory)
{
    private const int MostRequests = 4;

    /// <exception cref="PublishException">SQS will never take it.</exception>
    /// <exception cref="QueueMissingException">There is no such queue.</exception>
    public async Task PublishAsync(PublishRequest request, CancellationToken stopping)
    {
        var message = QueueMessage.From(request.Data, request.ContentType, request.Metadata);
        if (QueueName.Fault(request.Topic) is { } badName)
            throw new PublishException(badName);
        if (message.Fault is { } fault)
            throw new PublishException(fault);
        try
        {
            await SendAsync(request.Topic, message, stopping);
        }
        catch (AmazonSQSException refused) when (IsAboutCharacters(refused.ErrorCode) && message.IsText)
        {
            await SendAsync(request.Topic, message.InBase64(), stopping);
        }
    }

    /// <returns>The entries that were not sent, each with the reason; empty when all were.</returns>
    /// <exception cref="PublishException">SQS will never take any of it.</exception>
    /// <exception cref="QueueMissingException">There is no such queue.</exception>
    public async Task<IReadOnlyCollection<BulkPublishResponseFailedEntry>> PublishAsync(
        BulkPublishRequest request, CancellationToken stopping)
    {
        if (QueueName.Fault(request.Topic) is { } badName)
            throw new PublishException(badName);
        var failed = new List<BulkPublishResponseFailedEntry>();
        var good = new List<(string EntryId, QueueMessage Message)>();
        foreach (var entry in request.Entries)
        {
            var message = QueueMessage.From(entry.Event, entry.ContentType, entry.Metadata);
            if (message.Fault is { } fault)
                failed.Add(Failed(entry.EntryId, fault));
            else
                good.Add((entry.EntryId, message));
        }

        var batches = SendBatches.Cut(good.ConvertAll(entry => entry.Message.Bytes)).ToArray();
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = MostRequests, CancellationToken = stopping };
        await Parallel.ForEachAsync(batches, parallel, async (range, stop) =>
        {
            var unsent = await SendAsync(request.Topic, good[range], stop);
            lock (failed)
                failed.AddRange(unsent);
        });
        return failed;
    }

    private Task<SendMessageResponse> SendAsync(string queue, QueueMessage message, CancellationToken stopping) => OnQueueAsync(
        queue,
        url => sqs.SendMessageAsync(new SendMessageRequest(url, message.Text) { MessageAttributes = message.Attributes }, stopping),
        stopping);

    private async Task<IEnumerable<BulkPublishResponseFailedEntry>> SendAsync(
        string queue, List<(string EntryId, QueueMessage Message)> batch, CancellationToken stopping)
    {
        // Entry ids of publishers may have characters that SQS does not take.
        var entries = batch
            .Select((entry, i) => new SendMessageBatchRequestEntry(i.ToString(CultureInfo.InvariantCulture), entry.Message.Text)
            {
                MessageAttributes = entry.Message.Attributes,
            })
            .ToList();
        try
        {
            var response = await OnQueueAsync(
                queue, url => sqs.SendMessageBatchAsync(new SendMessageBatchRequest(url, entries), stopping), stopping);
            var failed = (response.Failed ?? []).ConvertAll(entry =>
                (Sent: batch[int.Parse(entry.Id, NumberStyles.None, CultureInfo.InvariantCulture)], entry.Code));
            var inBase64 = failed
                .Where(entry => IsAboutCharacters(entry.Code) && entry.Sent.Message.IsText)
                .Select(entry => (entry.Sent.EntryId, entry.Sent.Message.InBase64()))
                .ToList();
            // One by one: in base64 they may be larger than a request may be together.
            var again = new List<BulkPublishResponseFailedEntry>();
            foreach (var entry in inBase64)
                again.AddRange(await SendAsync(queue, [entry], stopping));
            return failed
                .Where(entry => !inBase64.Exists(encoded => encoded.EntryId == entry.Sent.EntryId))
                .Select(entry => Failed(entry.Sent.EntryId, entry.Code))
                .Concat(again);
        }
        catch (Exception fault) when (SqsFaults.IsOutside(fault) && !stopping.IsCancellationRequested)
        {
            return batch.Select(entry => Failed(entry.EntryId, SqsFaults.Describe(fault)));
        }
    }

    private async Task<T> OnQueueAsync<T>(string queue, Func<string, Task<T>> send, CancellationToken stopping)
    {
        try
        {
            return await send(await directory.UrlOfAsync(queue, stopping));
        }
        catch (QueueDoesNotExistException)
        {
            // It was there when its address was kept.
            directory.Forget(queue);
            return await send(await directory.UrlOfAsync(queue, stopping));
        }
    }

    // With or without "AWS.SimpleQueueService." in front.
    private static bool IsAboutCharacters(string? code) => code?.EndsWith("InvalidMessageContents", StringComparison.Ordinal) == true;

    private static BulkPublishResponseFailedEntry Failed(string entryId, string error) => new() { EntryId = entryId, Error = error };
}
