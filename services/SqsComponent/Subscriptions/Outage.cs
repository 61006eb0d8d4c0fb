namespace PiiMasking.SqsComponent.Subscriptions;

/// <summary>Tells a message that cannot get through from a time in which nothing can. Pure: the clock is an argument.</summary>
/// <remarks>
/// An outage begins when a delivery fails and nothing succeeded since it was handed over. Then one message at a time is
/// tried (the probe), further and further apart, until anything succeeds. A failure of a message that failed before
/// while others succeeded (a suspect) is no sign of an outage but the message's own, as long as it is the only one: after
/// an outage everything that waited is a suspect, and when several fail with no success between them, it is back.
/// </remarks>
internal sealed class Outage(Backoff backoff)
{
    private int failedProbes;
    private bool probing;
    private TimeSpan nextProbeAt;
    private string? blamed;
    private TimeSpan nextSuspectAt;

    /// <summary>Nothing has got through since the last failure.</summary>
    public bool Blocked { get; private set; }

    /// <summary>How many deliveries have succeeded so far: what "since" is measured by.</summary>
    public long Successes { get; private set; }

    /// <summary>When the next probe may go; null while one is on its way or nothing is blocked.</summary>
    public TimeSpan? NextProbeAt => Blocked && !probing ? nextProbeAt : null;

    public void ProbeSent() => probing = true;

    /// <returns>True when this success ended an outage.</returns>
    public bool Succeeded()
    {
        Successes++;
        var ended = Blocked;
        Blocked = probing = false;
        failedProbes = 0;
        blamed = null;
        return ended;
    }

    /// <summary>When the next message that failed may be tried: once something got through since one was blamed, or nothing did for a while.</summary>
    public TimeSpan NextSuspectAt => blamed is null ? TimeSpan.Zero : nextSuspectAt;

    /// <summary>A suspect has failed: says whether that was its own fault. At most one message is blamed between two successes.</summary>
    public bool Blames(string suspect, TimeSpan now)
    {
        if (Blocked || (blamed ??= suspect) != suspect)
            return false;
        nextSuspectAt = now + backoff.After(1);
        return true;
    }

    /// <param name="wasProbe">The failed delivery was the probe.</param>
    /// <param name="successesBefore"><see cref="Successes"/> when the delivery was handed over.</param>
    /// <param name="blamed">It is the message's own fault.</param>
    /// <param name="now">The present, on the caller's monotonic clock.</param>
    /// <returns>True when this failure began an outage.</returns>
    public bool Failed(bool wasProbe, long successesBefore, bool blamed, TimeSpan now)
    {
        if (wasProbe && Blocked)
        {
            probing = false;
            failedProbes++;
            nextProbeAt = now + backoff.After(failedProbes + 1);
            return false;
        }

        if (Blocked || blamed || Successes > successesBefore)
            return false;

        Blocked = true;
        failedProbes = 0;
        nextProbeAt = now + backoff.After(1);
        return true;
    }

    /// <summary>The stream that carried the probe ended without an answer.</summary>
    public void ProbeAbandoned() => probing = false;

    /// <summary>Somebody subscribed (again), which an app does when it feels well: no need to sit out the wait.</summary>
    public void ProbeAtOnce(TimeSpan now) => nextProbeAt = now;
}
