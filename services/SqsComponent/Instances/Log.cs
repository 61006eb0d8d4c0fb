namespace PiiMasking.SqsComponent.Instances;

internal static partial class Log
{
    [LoggerMessage(3001, LogLevel.Information, "Component {Instance} is initialised, with SQS at {Place}")]
    public static partial void Initialised(this ILogger logger, string instance, string place);

    [LoggerMessage(3002, LogLevel.Information, "Component {Instance} is initialised again with the settings it has; what it holds stays")]
    public static partial void InitialisedAgain(this ILogger logger, string instance);

    [LoggerMessage(3003, LogLevel.Error, "Component {Instance} is not initialised: {Reason}")]
    public static partial void NotInitialised(this ILogger logger, string instance, string reason);

    [LoggerMessage(3004, LogLevel.Warning, "Stopping without the answers that are still missing; those messages are given back")]
    public static partial void AnswersMissing(this ILogger logger);
}
