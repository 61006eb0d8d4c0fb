using System.Globalization;
using System.Text;
using Amazon.SQS;
using Amazon.SQS.Model;
using PiiMasking.SqsComponent.Instances;

namespace PiiMasking.SqsComponent.Queues;

/// <summary>What became of one entry of a batch request.</summary>
internal enum EntryOutcome
{
    Done,

    /// <summary>The receipt handle is of no use any more: the message is visible again, or gone.</summary>
    HandleIsStale,

    /// <summary>It may work another time.</summary>
    Failed,
}

/// <summary>The requests that reading a queue takes, as thin as they get. Thread-safe.</summary>
internal sealed class SqsQueue(IAmazonSQS sqs, string name, string url, SqsSettings settings)
{
    // Requests of up to ten small entries; whoever does not answer one in this time will not answer it.
    private static readonly TimeSpan RequestTimeout = TimeSpan.FromSeconds(10);

    private static readonly List<string> SystemAttributes =
        [MessageSystemAttributeName.SentTimestamp, MessageSystemAttributeName.ApproximateReceiveCount];

    public string Name => name;

    /// <summary>Waits up to the configured wait time for up to <paramref name="max"/> (1 to 10) messages.</summary>
    public async Task<IReadOnlyList<ReceivedMessage>> ReceiveAsync(int max, CancellationToken stopping)
    {
        using var timeout = TimeoutAfter(settings.WaitTime + RequestTimeout, stopping);
        var request = new ReceiveMessageRequest
        {
            QueueUrl = url,
            MaxNumberOfMessages = max,
            WaitTimeSeconds = (int)settings.WaitTime.TotalSeconds,
            VisibilityTimeout = (int)settings.VisibilityTimeout.TotalSeconds,
            MessageSystemAttributeNames = SystemAttributes,
            MessageAttributeNames = MessageAttributes.All,
        };
        var response = await sqs.ReceiveMessageAsync(request, timeout.Token);
        return response.Messages is { Count: > 0 } messages ? messages.ConvertAll(Read) : [];
    }

    /// <returns>One outcome an entry, in order.</returns>
    public async Task<EntryOutcome[]> DeleteAsync(IReadOnlyList<string> receiptHandles, CancellationToken stopping)
    {
        using var timeout = TimeoutAfter(RequestTimeout, stopping);
        var entries = receiptHandles.Select((handle, i) => new DeleteMessageBatchRequestEntry(Id(i), handle)).ToList();
        var response = await sqs.DeleteMessageBatchAsync(new DeleteMessageBatchRequest(url, entries), timeout.Token);
        return Outcomes(entries.Count, response.Failed);
    }

    /// <summary>Hides messages from every consumer for so many seconds from now; 0 gives them back.</summary>
    /// <returns>One outcome an entry, in order.</returns>
    public async Task<EntryOutcome[]> HideAsync(
        IReadOnlyList<(string ReceiptHandle, int Seconds)> messages, CancellationToken stopping)
    {
        using var timeout = TimeoutAfter(RequestTimeout, stopping);
        var entries = messages
            .Select((message, i) => new ChangeMessageVisibilityBatchRequestEntry(Id(i), message.ReceiptHandle)
            {
                VisibilityTimeout = message.Seconds,
            })
            .ToList();
        var response = await sqs.ChangeMessageVisibilityBatchAsync(
            new ChangeMessageVisibilityBatchRequest(url, entries), timeout.Token);
        return Outcomes(entries.Count, response.Failed);
    }

    private static ReceivedMessage Read(Message message)
    {
        string? Attribute(string name) =>
            message.MessageAttributes is { } attributes && attributes.TryGetValue(name, out var value) ? value.StringValue : null;
        string? System(string name) =>
            message.Attributes is { } attributes && attributes.TryGetValue(name, out var value) ? value : null;

        var sentAt = long.TryParse(
            System(MessageSystemAttributeName.SentTimestamp), NumberStyles.None, CultureInfo.InvariantCulture, out var milliseconds)
            && milliseconds <= DateTimeOffset.MaxValue.ToUnixTimeMilliseconds()
            ? DateTimeOffset.FromUnixTimeMilliseconds(milliseconds)
            : (DateTimeOffset?)null;
        _ = int.TryParse(
            System(MessageSystemAttributeName.ApproximateReceiveCount), NumberStyles.None, CultureInfo.InvariantCulture, out var count);
        return new ReceivedMessage(
            message.MessageId,
            message.ReceiptHandle,
            Body(message.Body ?? "", Attribute(MessageAttributes.Encoding)),
            sentAt,
            count,
            MessageAttributes.ValidTraceParent(Attribute(MessageAttributes.TraceParent)),
            MessageAttributes.ValidContentType(Attribute(MessageAttributes.ContentType)));
    }

    private static byte[] Body(string text, string? encoding)
    {
        if (encoding == MessageAttributes.Base64)
        {
            var decoded = new byte[text.Length];
            if (Convert.TryFromBase64String(text, decoded, out var length))
                return decoded[..length];
        }

        return Encoding.UTF8.GetBytes(text);
    }

    private static EntryOutcome[] Outcomes(int count, List<BatchResultErrorEntry>? failed)
    {
        var outcomes = new EntryOutcome[count];
        foreach (var entry in failed ?? [])
        {
            outcomes[int.Parse(entry.Id, NumberStyles.None, CultureInfo.InvariantCulture)] =
                entry.SenderFault == true ? EntryOutcome.HandleIsStale : EntryOutcome.Failed;
        }

        return outcomes;
    }

    private static string Id(int index) => index.ToString(CultureInfo.InvariantCulture);

    private static CancellationTokenSource TimeoutAfter(TimeSpan timeout, CancellationToken stopping)
    {
        var source = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        source.CancelAfter(timeout);
        return source;
    }
}
