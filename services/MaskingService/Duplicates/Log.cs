namespace PiiMasking.MaskingService.Duplicates;

internal static partial class Log
{
    [LoggerMessage(1701, LogLevel.Debug, "Duplicates counted anew in {Seconds:0.0} s")]
    public static partial void DuplicatesRefreshed(this ILogger logger, double seconds);

    [LoggerMessage(1702, LogLevel.Warning, "Duplicates could not be counted now and are tried again: {Problem}")]
    public static partial void DuplicatesNotRefreshed(this ILogger logger, string problem);
}
