namespace PiiMasking.SqsComponent.Queues;

/// <summary>One message as SQS handed it out.</summary>
/// <param name="Id">The MessageId: the same in every receive, also from the dead-letter queue.</param>
/// <param name="ReceiptHandle">Names this receive; what deletes and hides the message.</param>
/// <param name="Body">The bytes that the producer sent.</param>
/// <param name="SentAt">SentTimestamp, in UTC; null when the queue did not say.</param>
/// <param name="ReceiveCount">ApproximateReceiveCount, this receive included.</param>
/// <param name="TraceParent">W3C trace context of the producer, valid, or null.</param>
/// <param name="ContentType">Media type that the producer gave, or null.</param>
internal sealed record ReceivedMessage(
    string Id,
    string ReceiptHandle,
    ReadOnlyMemory<byte> Body,
    DateTimeOffset? SentAt,
    int ReceiveCount,
    string? TraceParent,
    string? ContentType)
{
    /// <summary>The id alone: a record would print its members, and the body is nobody's business.</summary>
    public override string ToString() => Id;
}
