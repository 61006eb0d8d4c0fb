namespace PiiMasking.MaskingService.Retention;

internal static partial class Log
{
    [LoggerMessage(1801, LogLevel.Information,
        "By age: {Partitions} partitions of logins dropped, {OddLogins} logins of odd dates, {Quarantined} messages in quarantine, "
        + "{LedgerEntries} ledger entries, {AuditRecords} audit records and {Erasures} erasures removed")]
    public static partial void Removed(
        this ILogger logger, long partitions, long oddLogins, long quarantined, long ledgerEntries, long auditRecords, long erasures);

    [LoggerMessage(1802, LogLevel.Warning, "Partitions of logins are old enough to go, and a reader was in the way; tried again later")]
    public static partial void PartitionsInUse(this ILogger logger);

    [LoggerMessage(1803, LogLevel.Critical,
        "The audit is not what was written: record {Number} does not verify. None is cut. Run 'MaskingService audit verify'")]
    public static partial void AuditNotCut(this ILogger logger, long number);

    [LoggerMessage(1804, LogLevel.Warning, "What is old could not be removed now and is tried again: {Problem}")]
    public static partial void NotRemoved(this ILogger logger, string problem);
}
