namespace PiiMasking.SqsComponent.Subscriptions;

internal static partial class Log
{
    [LoggerMessage(3201, LogLevel.Information, "Topic {Topic} of {Instance} is subscribed, from queue {Queue}")]
    public static partial void Subscribed(this ILogger logger, string topic, string instance, string queue);

    [LoggerMessage(3202, LogLevel.Information, "The subscription of topic {Topic} of {Instance} has ended")]
    public static partial void SubscriptionEnded(this ILogger logger, string topic, string instance);

    [LoggerMessage(3203, LogLevel.Error, "Topic {Topic} of {Instance} cannot be subscribed: {Reason}")]
    public static partial void NotSubscribed(this ILogger logger, string topic, string instance, string reason);

    [LoggerMessage(3204, LogLevel.Warning,
        "Topic {Topic} of {Instance} is subscribed without rawPayload \"true\": the sidecar cannot read batches then, and refuses them")]
    public static partial void NotRaw(this ILogger logger, string topic, string instance);

    [LoggerMessage(3205, LogLevel.Warning,
        "Nothing gets through from {Queue}: {Held} messages are kept and hidden, one at a time is tried, and no more are received")]
    public static partial void NothingGetsThrough(this ILogger logger, string queue, int held);

    [LoggerMessage(3206, LogLevel.Information, "Messages get through from {Queue} again; {Held} that were kept go first")]
    public static partial void GetsThroughAgain(this ILogger logger, string queue, int held);

    [LoggerMessage(3207, LogLevel.Warning,
        "A message of {Queue} fails again and again while others get through; it is given back, for the queue's redrive policy to decide")]
    public static partial void GivenUp(this ILogger logger, string queue);

    [LoggerMessage(3208, LogLevel.Error,
        "Message {MessageId} of {Queue} has {BodyBytes} bytes and fits into no batch; it is left to the queue's redrive policy")]
    public static partial void TooLarge(this ILogger logger, string queue, string messageId, int bodyBytes);

    [LoggerMessage(3209, LogLevel.Information,
        "Message {MessageId} of {Queue} was received again while it is here; it is handed over once")]
    public static partial void ReceivedAgain(this ILogger logger, string queue, string messageId);

    [LoggerMessage(3210, LogLevel.Warning,
        "Message {MessageId} of {Queue} can be hidden no longer: its visibility timeout has passed, and another consumer may receive it")]
    public static partial void RenewalRefused(this ILogger logger, string queue, string messageId);

    [LoggerMessage(3211, LogLevel.Warning,
        "Message {MessageId} of {Queue} was acknowledged after its visibility timeout, and not deleted; it will be delivered again")]
    public static partial void DeletedTooLate(this ILogger logger, string queue, string messageId);

    [LoggerMessage(3212, LogLevel.Warning, "{Operation} on queue {Queue} fails: {Fault}; tried {Count} times, and again")]
    public static partial void RequestFailed(this ILogger logger, Operation operation, string queue, string fault, int count);

    [LoggerMessage(3213, LogLevel.Information, "{Operation} on queue {Queue} succeeds again, after {Count} failures")]
    public static partial void RequestsSucceedAgain(this ILogger logger, Operation operation, string queue, int count);

    [LoggerMessage(3214, LogLevel.Debug, "An answer from the sidecar fits no message of {Queue} that waits for one")]
    public static partial void UnknownAnswer(this ILogger logger, string queue);

    [LoggerMessage(3215, LogLevel.Warning,
        "{Messages} messages of {Queue} could not be given back in time; they are visible again after at most {VisibilityTimeout}")]
    public static partial void LeftBehind(this ILogger logger, string queue, int messages, TimeSpan visibilityTimeout);

    [LoggerMessage(3216, LogLevel.Critical, "The loop of queue {Queue} failed by a mistake of ours; the process stops")]
    public static partial void PumpFailed(this ILogger logger, Exception mistake, string queue);
}
