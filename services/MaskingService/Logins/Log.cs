namespace PiiMasking.MaskingService.Logins;

internal static partial class Log
{
    [LoggerMessage(1101, LogLevel.Debug, "Stored {Stored} logins, {Repeated} repeats, {Quarantined} in quarantine, {Erased} of erased users, {Retry} to send again")]
    public static partial void BatchDone(this ILogger logger, int stored, int repeated, int quarantined, int erased, int retry);

    [LoggerMessage(1102, LogLevel.Warning, "Postgres refuses the login of message {MessageId} for good (SQLSTATE {SqlState}, constraint {Constraint}); it goes to quarantine")]
    public static partial void RowRefused(this ILogger logger, Guid messageId, string sqlState, string? constraint);

    [LoggerMessage(1103, LogLevel.Critical,
        "Postgres refused {Refused} of {Messages} logins in one batch: the table does not fit this version. Nothing is condemned, all of them are sent again. "
        + "Look at constraints and triggers on user_logins")]
    public static partial void MostRowsRefused(this ILogger logger, int refused, int messages);

    [LoggerMessage(1104, LogLevel.Error, "A transaction failed and its messages are sent again: {Problem}")]
    public static partial void TransactionFailed(this ILogger logger, string problem);

    [LoggerMessage(1105, LogLevel.Warning, "No room for a call within {Wait}; it is answered 503. The database is slower than the queue")]
    public static partial void BufferFull(this ILogger logger, TimeSpan wait);
}
