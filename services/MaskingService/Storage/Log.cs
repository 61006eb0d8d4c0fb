namespace PiiMasking.MaskingService.Storage;

internal static partial class Log
{
    [LoggerMessage(1201, LogLevel.Information, "Made {Made} partitions of user_logins")]
    public static partial void PartitionsMade(this ILogger logger, int made);

    [LoggerMessage(1202, LogLevel.Warning, "Partitions of user_logins could not be made now and are tried again: {Problem}")]
    public static partial void PartitionsNotMade(this ILogger logger, string problem);
}
