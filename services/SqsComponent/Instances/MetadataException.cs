namespace PiiMasking.SqsComponent.Instances;

/// <summary>A Component file asks for something that cannot be. The message is for its author.</summary>
internal sealed class MetadataException(string message) : Exception(message);
