namespace PiiMasking.MaskingService.Erasure;

internal static partial class Log
{
    [LoggerMessage(1701, LogLevel.Information,
        "Erasure {ErasureId} is completed: {Logins} logins, {Quarantined} messages in quarantine; {Unopened} there do not open and "
        + "{Unattributed} name no user")]
    public static partial void ErasureCompleted(
        this ILogger logger, Guid erasureId, long logins, long quarantined, long unopened, long unattributed);

    [LoggerMessage(1702, LogLevel.Warning, "Erasures that were begun could not be completed now and are tried again: {Problem}")]
    public static partial void ErasuresNotCompleted(this ILogger logger, string problem);

    [LoggerMessage(1703, LogLevel.Information,
        "Erasures wait until the partitions are dropped that a rotation has taken out of user_logins: what was deleted is in them still")]
    public static partial void FormerPartitionsAreThere(this ILogger logger);
}
