namespace PiiMasking.SqsComponent.Subscriptions;

/// <summary>How long a batch that is not full waits for more messages. Pure: the clock is an argument.</summary>
/// <remarks>
/// Up to two batches are kept with the sidecar: one that is being processed, one that is ready when it is done. Below
/// that a message goes out at once, unless the queue is known to hold more. Above it a batch that is not full waits for
/// as long as the app lately took for one; otherwise a slow app would be fed ever smaller batches, and never recover.
/// </remarks>
internal sealed class HandoverPace(TimeSpan batchWait)
{
    private const int EnoughToKeepBusy = 2;

    // An app that takes longer than this for a batch does not get quicker by getting fuller ones.
    private static readonly TimeSpan LongestInterval = TimeSpan.FromSeconds(5);

    private TimeSpan busySince;
    private TimeSpan interval;

    public int BatchesInFlight { get; private set; }

    /// <param name="moreComing">The queue had more messages a moment ago, and they are being fetched.</param>
    public TimeSpan WaitForMore(bool moreComing) =>
        BatchesInFlight < EnoughToKeepBusy
            ? moreComing ? batchWait : TimeSpan.Zero
            : interval > batchWait ? interval : batchWait;

    public void HandedOver(TimeSpan now)
    {
        if (BatchesInFlight++ == 0)
            busySince = now;
    }

    public void Answered(TimeSpan now)
    {
        BatchesInFlight--;
        var taken = now - busySince < LongestInterval ? now - busySince : LongestInterval;
        interval = interval == TimeSpan.Zero ? taken : (interval * 0.7) + (taken * 0.3);
        busySince = now;
    }
}
