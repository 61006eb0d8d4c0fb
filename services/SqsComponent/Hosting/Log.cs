namespace PiiMasking.SqsComponent.Hosting;

internal static partial class Log
{
    [LoggerMessage(3401, LogLevel.Information, "The component answers on {Path}; a sidecar that starts now finds it as pubsub.sqs")]
    public static partial void Listening(this ILogger logger, string path);
}
