namespace PiiMasking.SqsComponent.Subscriptions;

/// <summary>Messages on their way through one stream, answered together.</summary>
/// <param name="Token">What the answer quotes; unique within the process.</param>
/// <param name="Window">The stream that they went to.</param>
/// <param name="Messages">At least one.</param>
/// <param name="Bytes">Of their bodies.</param>
/// <param name="WasProbe">Sent in an outage, to see whether it has ended.</param>
/// <param name="SuccessesBefore">Deliveries that had succeeded when this one was handed over.</param>
internal sealed record Handover(
    string Token, StreamWindow Window, IReadOnlyList<HeldMessage> Messages, long Bytes, bool WasProbe, long SuccessesBefore)
{
    /// <summary>Counted by the pace of batches; one that goes alone is a retry.</summary>
    public bool IsBatch { get; init; }

    /// <summary>How many of its messages were blamed for a failure before.</summary>
    public int BlamedBefore { get; } = Messages.Count(message => message.WasBlamed);
}

/// <summary>What one stream has been handed and not yet answered.</summary>
internal sealed class StreamWindow(TimeSpan batchWait)
{
    public int Messages { get; set; }

    public long Bytes { get; set; }

    public HandoverPace Pace { get; } = new(batchWait);
}
