namespace PiiMasking.SqsComponent.Watchdog;

internal static partial class Log
{
    [LoggerMessage(3301, LogLevel.Warning,
        "The sidecar is up, but has not initialised the component for {Patience}: the component was restarted, and a sidecar looks for " +
        "components only at its start. It is asked to shut down, so that its supervisor restarts it")]
    public static partial void NeverInitialised(this ILogger logger, TimeSpan patience);

    [LoggerMessage(3302, LogLevel.Warning,
        "The subscription of {Topics} ended, and was not opened again for {Patience} although the app is ready: a sidecar does " +
        "not do that by itself. It is asked to shut down, so that its supervisor restarts it")]
    public static partial void StreamsNotReopened(this ILogger logger, string topics, TimeSpan patience);

    [LoggerMessage(3303, LogLevel.Error, "The sidecar refuses to shut down, with status {Status}{Hint}")]
    public static partial void ShutdownRefused(this ILogger logger, int status, string hint);

    [LoggerMessage(3304, LogLevel.Warning, "The sidecar did not answer the request to shut down ({Fault}); it may be on its way")]
    public static partial void ShutdownUnanswered(this ILogger logger, string fault);
}
