namespace PiiMasking.SqsComponent.Subscriptions;

/// <summary>How long to wait before the next try: doubling from a minimum to a maximum, with jitter.</summary>
/// <remarks>
/// Jitter is added below the maximum and subtracted at it, so that a wait is never shorter than the minimum and never
/// longer than the maximum.
/// </remarks>
internal sealed class Backoff(TimeSpan min, TimeSpan max, Random random)
{
    private const double Jitter = 0.2;

    public static Backoff Between(TimeSpan min, TimeSpan max) => new(min, max, Random.Shared);

    /// <param name="attempt">1 after the first failure.</param>
    public TimeSpan After(int attempt)
    {
        // 2^30 times the smallest minimum is far above any maximum, and does not overflow.
        var wait = min * Math.Pow(2, Math.Clamp(attempt - 1, 0, 30));
        var spread = random.NextDouble() * Jitter;
        var jittered = wait >= max ? max * (1 - spread) : wait * (1 + spread);
        return jittered < min ? min : jittered > max ? max : jittered;
    }
}
