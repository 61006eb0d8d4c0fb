namespace PiiMasking.Logins;

/// <summary>One message as it came out of a delivery: who it is, when it was sent, what it is.</summary>
/// <param name="MessageId">The same in every delivery of the message, as far as the broker lets one tell.</param>
/// <param name="SentAt">The message's own time, UTC; null where there is an identity but no usable time.</param>
/// <param name="Outcome">The login, or why there is none.</param>
/// <param name="Payload">The bytes the producer sent, exactly; <see cref="MessageReader.ParsePayload"/> reads them again.</param>
public sealed record IncomingMessage(Guid MessageId, DateTimeOffset? SentAt, ParseOutcome Outcome, ReadOnlyMemory<byte> Payload)
{
    /// <summary>W3C trace context that its envelope names, unchecked; null if there is none.</summary>
    public string? TraceParent { get; init; }

    /// <returns>The id: the payload may hold personal data.</returns>
    public override string ToString() => MessageId.ToString();
}

/// <summary>One entry of a delivery, as the broker's component handed it over.</summary>
/// <param name="Body">The entry's own bytes; reading it may decode base64 in it where that stands.</param>
/// <param name="ContentType">Media type that the component gave it; decides whether it is a batch.</param>
/// <param name="Metadata">The component's metadata, in which some brokers name the message.</param>
/// <param name="Topic">Topic of the subscription.</param>
public sealed record ReceivedEntry(
    Memory<byte> Body, string? ContentType, IReadOnlyDictionary<string, string> Metadata, string Topic)
{
    /// <returns>A label: the body may hold personal data.</returns>
    public override string ToString() => "[entry]";
}
