namespace PiiMasking.SqsComponent.Queues;

/// <summary>A queue is not there and nobody asked to make it. The message is for the operator.</summary>
internal sealed class QueueMissingException(string message) : Exception(message);
