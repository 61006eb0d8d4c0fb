namespace PiiMasking.MaskingService.Rotation;

internal static partial class Log
{
    [LoggerMessage(1801, LogLevel.Information, "Rotation begins: the table goes from key {FromKeyId} to key {ToKeyId}, about {Total} logins")]
    public static partial void RotationBegins(this ILogger logger, uint fromKeyId, uint toKeyId, long total);

    [LoggerMessage(1802, LogLevel.Information, "Rotation to key {ToKeyId}: {Percent} %, {Copied} of about {Total} logins, expected end {ExpectedEndAt:u}")]
    public static partial void RotationProgress(
        this ILogger logger, uint toKeyId, int percent, long copied, long total, DateTimeOffset? expectedEndAt);

    [LoggerMessage(1803, LogLevel.Information, "Rotation to key {ToKeyId}: all logins are copied")]
    public static partial void RotationCopied(this ILogger logger, uint toKeyId);

    [LoggerMessage(1804, LogLevel.Information,
        "Rotation to key {ToKeyId} waits for {Sessions} sessions that read since before the last login was copied; see backend_xmin in pg_stat_activity")]
    public static partial void RotationWaitsForReaders(this ILogger logger, uint toKeyId, long sessions);

    [LoggerMessage(1805, LogLevel.Information, "Rotation to key {ToKeyId}: readers are in the way of the swap, which is tried again")]
    public static partial void SwapPutOff(this ILogger logger, uint toKeyId);

    [LoggerMessage(1806, LogLevel.Information, "Rotation: the table is under key {ToKeyId}; the swap took {Milliseconds:0} ms")]
    public static partial void RotationSwapped(this ILogger logger, uint toKeyId, double milliseconds);

    [LoggerMessage(1807, LogLevel.Information, "Rotation is done: nothing in the database is under masking key {FromKeyId} any more")]
    public static partial void RotationDone(this ILogger logger, uint fromKeyId);

    [LoggerMessage(1808, LogLevel.Warning, "Rotation to key {ToKeyId}: table and copy have not the same logins, so the copy begins anew. "
        + "Something writes past the rules: an older version of this service, or a person")]
    public static partial void CopyDiffers(this ILogger logger, uint toKeyId);

    /// <param name="problem">One of our own sentences.</param>
    [LoggerMessage(1809, LogLevel.Warning, "Rotation cannot go on now and is tried again: {Problem}")]
    public static partial void RotationHeldUp(this ILogger logger, string problem);

    [LoggerMessage(1810, LogLevel.Information, "Quarantine: {Resealed} messages sealed again under key {KeyId}; {Unreadable} do not open and stay")]
    public static partial void QuarantineResealed(this ILogger logger, int resealed, uint keyId, int unreadable);

    [LoggerMessage(1811, LogLevel.Warning, "This replica could not say which keys it has: {Problem}")]
    public static partial void ReplicaNotReported(this ILogger logger, string problem);

    [LoggerMessage(1812, LogLevel.Information, "Rotation to key {ToKeyId} waits: {Hindrance}")]
    public static partial void RotationWaits(this ILogger logger, uint toKeyId, string hindrance);
}
