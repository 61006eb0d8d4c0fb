namespace PiiMasking.Sidecar.Components;

/// <summary>A pub/sub component as the sidecar sees it: bytes out, streams of bytes in.</summary>
internal interface IPubSub : IAsyncDisposable
{
    /// <summary>Feature strings such as <see cref="PubSubFeatures.BulkPublish"/>.</summary>
    IReadOnlyCollection<string> Features { get; }

    /// <exception cref="ComponentException">The component refused or cannot be reached.</exception>
    Task PublishAsync(OutboundMessage message, CancellationToken stopping);

    /// <summary>Called only if the component has <see cref="PubSubFeatures.BulkPublish"/>.</summary>
    /// <returns>The entries that failed; none if all are published.</returns>
    /// <exception cref="ComponentException">The call failed as a whole.</exception>
    Task<IReadOnlyList<FailedEntry>> BulkPublishAsync(
        string topic, IReadOnlyList<OutboundEntry> entries, IReadOnlyDictionary<string, string> metadata, CancellationToken stopping);

    /// <param name="stopping">Ends the stream, also after this call returned.</param>
    /// <exception cref="ComponentException">The stream could not be opened.</exception>
    Task<IMessageStream> OpenAsync(string topic, IReadOnlyDictionary<string, string> metadata, CancellationToken stopping);

    /// <summary>Asks the component to hand over nothing new; what it handed over may still be answered.</summary>
    Task PauseAsync(CancellationToken stopping);
}

/// <summary>The messages of one topic, and the answers to them.</summary>
internal interface IMessageStream : IDisposable
{
    /// <exception cref="ComponentException">The stream broke.</exception>
    IAsyncEnumerable<InboundMessage> ReadAllAsync(CancellationToken stopping);

    /// <param name="message">One that came from this stream.</param>
    /// <param name="error">Null acknowledges; a text gives the message back.</param>
    Task AnswerAsync(InboundMessage message, string? error, CancellationToken stopping);
}

internal static class PubSubFeatures
{
    public const string MessageTtl = "MESSAGE_TTL";
    public const string BulkPublish = "BULK_PUBSUB";
    public const string BulkSubscribeImmediately = "BULK_SUBSCRIBE_IMMEDIATE";
}

/// <param name="Id">The component's token for the answer.</param>
/// <param name="Data">The component's bytes, not copied.</param>
/// <param name="ContentType">"" if the component gave none.</param>
internal sealed record InboundMessage(
    string Id, ReadOnlyMemory<byte> Data, string Topic, IReadOnlyDictionary<string, string> Metadata, string ContentType);

internal sealed record OutboundMessage(string Topic, ReadOnlyMemory<byte> Data, IReadOnlyDictionary<string, string> Metadata);

internal sealed record OutboundEntry(
    string EntryId, ReadOnlyMemory<byte> Event, string ContentType, IReadOnlyDictionary<string, string> Metadata);

internal sealed record FailedEntry(string EntryId, string Error);

/// <summary>A component's refusal, or that it is away. The text is the component's own.</summary>
internal sealed class ComponentException(string message) : Exception(message);
