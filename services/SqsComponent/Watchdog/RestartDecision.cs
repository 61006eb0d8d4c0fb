namespace PiiMasking.SqsComponent.Watchdog;

/// <summary>Whether the sidecar has to be restarted. Pure, but for what it remembers of earlier looks.</summary>
/// <remarks>
/// A sidecar never opens a broken stream again, and initialises a component once, at its own start. So after the component
/// was restarted, or a stream broke, only a restart of the sidecar helps. While the app is unwell the sidecar closes its
/// streams itself, and opens them again later: no reason.
/// </remarks>
internal sealed class RestartDecision(TimeSpan patience)
{
    private DateTimeOffset? sidecarUpSince;
    private DateTimeOffset? appReadySince;
    private DateTimeOffset? askedAt;

    /// <returns>The reason; null when there is none, or not for long enough.</returns>
    public RestartReason? Decide(Sightings seen, bool sidecarUp, bool appReady, DateTimeOffset now)
    {
        sidecarUpSince = sidecarUp ? sidecarUpSince ?? now : null;
        appReadySince = appReady ? appReadySince ?? now : null;
        if (sidecarUpSince is not { } up || now - askedAt < patience)
            return null;
        if (seen.InitialisedAt is null)
            return now - seen.StartedAt >= patience ? RestartReason.NotInitialised : null;
        return seen.StreamBrokeAt is { } brokeAt && appReadySince is { } ready
            && now - Latest(brokeAt, ready, seen.InitialisedAt.Value, up) >= patience
            ? RestartReason.StreamNotReopened
            : null;
    }

    public void Asked(DateTimeOffset now) => askedAt = now;

    private static DateTimeOffset Latest(params ReadOnlySpan<DateTimeOffset> instants)
    {
        var latest = instants[0];
        foreach (var instant in instants)
            latest = instant > latest ? instant : latest;
        return latest;
    }
}

internal enum RestartReason
{
    NotInitialised,
    StreamNotReopened,
}
