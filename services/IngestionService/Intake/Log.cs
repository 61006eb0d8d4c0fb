namespace PiiMasking.IngestionService.Intake;

/// <summary>Every line the intake logs. Counts, ids, status codes; never a string out of a message.</summary>
internal static partial class Log
{
    [LoggerMessage(2001, LogLevel.Debug, "Took {Entries} entries with {Messages} messages; {Retried} of them are to be delivered again")]
    public static partial void Taken(this ILogger logger, int entries, int messages, int retried);

    [LoggerMessage(2002, LogLevel.Warning, "{Messages} messages were refused by the database and go to the quarantine")]
    public static partial void RefusedByStorage(this ILogger logger, int messages);

    [LoggerMessage(2003, LogLevel.Error,
        "Message {MessageId} takes {Size} bytes in a call of at most {Limit} (Intake:MaxCallBytes) and cannot be stored; it is left to redelivery")]
    public static partial void TooLargeForACall(this ILogger logger, Guid messageId, long size, long limit);

    [LoggerMessage(2004, LogLevel.Error, "A delivery was no bulk delivery of Dapr and was given back; is another subscription using this route?")]
    public static partial void NotABulkDelivery(this ILogger logger);

    [LoggerMessage(2011, LogLevel.Warning, "The masking service answered {Status}; {Messages} messages are to be delivered again")]
    public static partial void MaskingAnswered(this ILogger logger, int status, int messages);

    [LoggerMessage(2012, LogLevel.Warning, "The masking service did not answer within {Timeout}; {Messages} messages are to be delivered again")]
    public static partial void MaskingTimedOut(this ILogger logger, TimeSpan timeout, int messages);

    [LoggerMessage(2013, LogLevel.Warning, "The sidecar is out of reach ({Error}); {Messages} messages are to be delivered again")]
    public static partial void MaskingOutOfReach(this ILogger logger, HttpRequestError error, int messages);

    [LoggerMessage(2014, LogLevel.Error, "The masking service's answer cannot be read; {Messages} messages are to be delivered again")]
    public static partial void MaskingAnswerUnreadable(this ILogger logger, int messages);

    [LoggerMessage(2015, LogLevel.Error, "The masking service answered for {Outcomes} of {Messages} messages; all are to be delivered again")]
    public static partial void MaskingAnswerShort(this ILogger logger, int outcomes, int messages);
}
