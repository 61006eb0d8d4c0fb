namespace PiiMasking.SqsComponent.Counters;

internal static partial class Log
{
    [LoggerMessage(3501, LogLevel.Warning, "How much is in queue {Queue} is not known: {Reason}. Asked again every minute")]
    public static partial void DepthUnknown(this ILogger logger, string queue, string reason);
}
