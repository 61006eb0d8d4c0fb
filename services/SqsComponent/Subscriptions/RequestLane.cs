using PiiMasking.SqsComponent.Queues;

namespace PiiMasking.SqsComponent.Subscriptions;

/// <summary>One kind of request: how many run at a time, and how long to wait after failures. Pure.</summary>
internal sealed class RequestLane(int most, Backoff backoff)
{
    private int open;
    private int failures;

    /// <summary>After a failure: not before this.</summary>
    public TimeSpan NotBefore { get; private set; }

    public bool IsFree(TimeSpan now) => open < most && now >= NotBefore;

    public void Started() => open++;

    public void Ended(EntryOutcome[] outcomes, TimeSpan now)
    {
        open--;
        failures = outcomes.Contains(EntryOutcome.Failed) ? failures + 1 : 0;
        NotBefore = failures == 0 ? TimeSpan.Zero : now + backoff.After(failures);
    }
}
