namespace PiiMasking.SqsComponent.Queues;

internal static partial class Log
{
    [LoggerMessage(3101, LogLevel.Information, "Queue {Queue} was missing and has been made")]
    public static partial void QueueMade(this ILogger logger, string queue);

    [LoggerMessage(3102, LogLevel.Information,
        "Queue {Queue} moves messages to {DeadLetters} when they were received {MaxReceiveCount} times")]
    public static partial void RedrivePolicySet(this ILogger logger, string queue, string deadLetters, int maxReceiveCount);

    [LoggerMessage(3103, LogLevel.Warning,
        "Queue {Queue} has a redrive policy to another dead-letter queue, which is left as it is; maxReceiveCount has no effect")]
    public static partial void OtherRedrivePolicy(this ILogger logger, string queue);
}
