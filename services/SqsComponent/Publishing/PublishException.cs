namespace PiiMasking.SqsComponent.Publishing;

/// <summary>SQS takes no such message or queue, now or later. The message is for the publisher.</summary>
internal sealed class PublishException(string message) : Exception(message);
