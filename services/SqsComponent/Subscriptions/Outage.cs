namespace PiiMasking.SqsComponent.Subscriptions;

/// <summary>Tells a message that cannot get through from a time in which nothing can. Pure: the clock is an argument.</summary>
/// <remarks>
/// An outage begins when a delivery fails and nothing succeeded since it was handed over. Then one message at a time is
/// tried (the probe), further and further apart, until anything succeeds. A failure of a message that failed before
/// while others succeeded is no sign of an outage: that message is the problem (a suspect).
/// </remarks>
internal sealed class Outage(Backoff backoff)
{
    private int failedProbes;
    private bool probing;
    private TimeSpan nextProbeAt;

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
        return ended;
    }

    /// <param name="wasProbe">The failed delivery was the probe.</param>
    /// <param name="successesBefore"><see cref="Successes"/> when the delivery was handed over.</param>
    /// <param name="suspect">The delivery was one message that failed before while others succeeded.</param>
    /// <param name="now">The present, on the caller's monotonic clock.</param>
    /// <returns>True when this failure began an outage.</returns>
    public bool Failed(bool wasProbe, long successesBefore, bool suspect, TimeSpan now)
    {
        if (wasProbe && Blocked)
        {
            probing = false;
            failedProbes++;
            nextProbeAt = now + backoff.After(failedProbes + 1);
            return false;
        }

        if (Blocked || suspect || Successes > successesBefore)
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
