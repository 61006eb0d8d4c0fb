namespace PiiMasking.MaskingService.People;

internal static partial class Log
{
    [LoggerMessage(1601, LogLevel.Warning, "{Refusals} refusals could not be recorded now and are kept in memory: {Problem}")]
    public static partial void RefusalsNotRecorded(this ILogger logger, long refusals, string problem);

    [LoggerMessage(1602, LogLevel.Warning,
        "Bearer tokens cannot be checked: the issuer's keys cannot be had ({Failure}). See People:Authority")]
    public static partial void IssuerAway(this ILogger logger, string failure);
}
