namespace PiiMasking.MaskingService.Audit;

internal static partial class Log
{
    [LoggerMessage(1501, LogLevel.Information, "Integrity keyset read, with primary key {KeyId}; people can be served")]
    public static partial void IntegrityKeysetRead(this ILogger logger, uint keyId);

    /// <param name="problem">One of our own sentences; it holds names out of the configuration and key ids, nothing out of a
    /// secret.</param>
    [LoggerMessage(1502, LogLevel.Warning, "Integrity keyset not taken; without one the people port answers 503: {Problem}")]
    public static partial void NoIntegrityKeyset(this ILogger logger, string problem);

    [LoggerMessage(1503, LogLevel.Information, "Audit head, to keep outside of the database: {Head}")]
    public static partial void AuditHeadSigned(this ILogger logger, string head);

    [LoggerMessage(1504, LogLevel.Critical,
        "The end of the audit is not what was written: it was {Before} records long and is {Now}, or its last record does not verify. "
        + "No head is signed for it. Run 'MaskingService audit verify'")]
    public static partial void AuditHeadNotSigned(this ILogger logger, long before, long now);

    [LoggerMessage(1505, LogLevel.Warning, "The audit's head could not be read: {Problem}")]
    public static partial void AuditHeadNotRead(this ILogger logger, string problem);
}
