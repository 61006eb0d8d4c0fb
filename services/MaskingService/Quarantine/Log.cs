namespace PiiMasking.MaskingService.Quarantine;

internal static partial class Log
{
    [LoggerMessage(1401, LogLevel.Critical,
        "The quarantine is full ({Size}): nothing is consumed until messages in it are replayed or deleted, or its bound is raised")]
    public static partial void QuarantineFull(this ILogger logger, string size);

    [LoggerMessage(1402, LogLevel.Warning, "The quarantine fills up ({Size}); at its bound nothing more is consumed")]
    public static partial void QuarantineFillsUp(this ILogger logger, string size);

    [LoggerMessage(1403, LogLevel.Information, "The quarantine has room ({Size})")]
    public static partial void QuarantineHasRoom(this ILogger logger, string size);
}
