using Grpc.Core;
using PiiMasking.Sidecar.Api;
using PiiMasking.Sidecar.Components;

namespace PiiMasking.Sidecar.PubSub;

/// <summary>One entry of a bulk publication as the caller gave it.</summary>
internal sealed record PublishEntry(
    string EntryId, ReadOnlyMemory<byte> Event, string ContentType, IReadOnlyDictionary<string, string> Metadata);

/// <param name="Failed">None: success.</param>
/// <param name="IsWholeCall">Something failed that the component did not report entry by entry itself.</param>
internal sealed record BulkPublishResult(IReadOnlyList<FailedEntry> Failed, bool IsWholeCall);

/// <summary>Publishes for the HTTP and the gRPC API alike, and to dead-letter topics.</summary>
internal sealed class Publisher(SidecarOptions options, ComponentRegistry components, TimeProvider time)
{
    private const int ParallelPublishes = 100;
    private static readonly TimeSpan DeadLetterTimeout = TimeSpan.FromSeconds(30);

    /// <param name="trace">traceparent and tracestate of the request; null if it has none.</param>
    /// <exception cref="ApiException">The component is unknown, the topic empty or forbidden, or publishing failed.</exception>
    public async Task PublishAsync(
        string pubSubName, string topic, ReadOnlyMemory<byte> data, string contentType, IReadOnlyDictionary<string, string> metadata,
        (string? Parent, string? State) trace, CancellationToken stopping)
    {
        var component = Find(pubSubName, topic);
        var isRaw = IsRaw(pubSubName, metadata);
        RequirePermission(component, topic);
        var payload = isRaw ? data : Wrap(component, topic, data, contentType, metadata, trace);
        try
        {
            await component.Broker.PublishAsync(new OutboundMessage(component.TopicPrefix + topic, payload, metadata), stopping);
        }
        catch (ComponentException failed)
        {
            throw Failed(pubSubName, topic, failed.Message);
        }
    }

    /// <exception cref="ApiException">The request is wrong as a whole.</exception>
    public async Task<BulkPublishResult> BulkPublishAsync(
        string pubSubName, string topic, IReadOnlyList<PublishEntry> entries, IReadOnlyDictionary<string, string> metadata,
        (string? Parent, string? State) trace, CancellationToken stopping)
    {
        var component = Find(pubSubName, topic);
        var isRaw = IsRaw(pubSubName, metadata);
        RequirePermission(component, topic);

        var ids = new HashSet<string>(StringComparer.Ordinal);
        var prepared = new List<OutboundEntry>(entries.Count);
        foreach (var entry in entries)
        {
            if (entry.EntryId.Length == 0 || !ids.Add(entry.EntryId))
            {
                throw new ApiException(
                    StatusCodes.Status400BadRequest, StatusCode.InvalidArgument, "ERR_PUBSUB_EVENTS_SER",
                    $"error marshaling events to bytes for topic {topic} pubsub {pubSubName}. error: entryId is duplicated or not present "
                    + "for entry", Details("MARSHAL_EVENTS", pubSubName));
            }

            var merged = Merge(metadata, entry.Metadata);
            var payload = isRaw ? entry.Event : Wrap(component, topic, entry.Event, entry.ContentType, merged, trace);
            prepared.Add(new OutboundEntry(entry.EntryId, payload, entry.ContentType, merged));
        }

        return await SendAsync(component, topic, prepared, metadata, stopping);
    }

    /// <summary>Puts one message, as the component gave it, on its dead-letter topic.</summary>
    /// <returns>Null if it is there, else why not.</returns>
    public async Task<string?> DeadLetterAsync(
        PubSubComponent component, string topic, InboundMessage message, CancellationToken stopping)
    {
        if (!component.Scopes.MayPublish(topic))
            return $"topic {topic} is not allowed for app id {options.AppId}";

        var metadata = Merge(message.Metadata, new Dictionary<string, string> { ["pubsubName"] = component.Name });
        if (message.ContentType.Length > 0)
            metadata["content-type"] = message.ContentType;

        using var limit = new CancellationTokenSource(DeadLetterTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, stopping);
        try
        {
            var outbound = new OutboundMessage(component.TopicPrefix + topic, message.Data, metadata);
            await component.Broker.PublishAsync(outbound, either.Token);
            return null;
        }
        catch (ComponentException failed)
        {
            return failed.Message;
        }
        catch (OperationCanceledException) when (!stopping.IsCancellationRequested)
        {
            return "publishing to the dead-letter topic timed out";
        }
    }

    /// <summary>Puts several messages on their dead-letter topic.</summary>
    /// <returns>Null if all are there, else why not.</returns>
    public async Task<string?> DeadLetterAsync(
        PubSubComponent component, string topic, IReadOnlyList<InboundMessage> messages, CancellationToken stopping)
    {
        if (!component.Scopes.MayPublish(topic))
            return $"topic {topic} is not allowed for app id {options.AppId}";

        var metadata = new Dictionary<string, string> { ["pubsubName"] = component.Name };
        OutboundEntry[] entries =
        [
            .. messages.Select(message =>
                new OutboundEntry(Guid.NewGuid().ToString(), message.Data, message.ContentType, message.Metadata)),
        ];
        var result = await SendAsync(component, topic, entries, metadata, stopping);
        return result.Failed.Count == 0 ? null : result.Failed[0].Error;
    }

    private static async Task<BulkPublishResult> SendAsync(
        PubSubComponent component, string topic, IReadOnlyList<OutboundEntry> entries, IReadOnlyDictionary<string, string> metadata,
        CancellationToken stopping)
    {
        topic = component.TopicPrefix + topic;
        if (component.Broker.Features.Contains(PubSubFeatures.BulkPublish))
        {
            try
            {
                return new BulkPublishResult(await component.Broker.BulkPublishAsync(topic, entries, metadata, stopping), false);
            }
            catch (ComponentException failed)
            {
                return new BulkPublishResult([.. entries.Select(entry => new FailedEntry(entry.EntryId, failed.Message))], true);
            }
        }

        // A component without bulk publishing gets its messages one by one, many at a time.
        var errors = new string?[entries.Count];
        var limits = new ParallelOptions { MaxDegreeOfParallelism = ParallelPublishes, CancellationToken = stopping };
        await Parallel.ForAsync(0, entries.Count, limits, async (i, stop) =>
        {
            try
            {
                await component.Broker.PublishAsync(new OutboundMessage(topic, entries[i].Event, entries[i].Metadata), stop);
            }
            catch (ComponentException failed)
            {
                errors[i] = failed.Message;
            }
        });

        FailedEntry[] failures =
            [.. entries.Zip(errors, (entry, error) => (entry, error)).Where(pair => pair.error is not null)
                .Select(pair => new FailedEntry(pair.entry.EntryId, pair.error!))];
        return new BulkPublishResult(failures, failures.Length > 0);
    }

    private PubSubComponent Find(string pubSubName, string topic)
    {
        if (pubSubName.Length == 0)
        {
            throw new ApiException(
                StatusCodes.Status404NotFound, StatusCode.InvalidArgument, "ERR_PUBSUB_EMPTY", "pubsub name is empty",
                Details("NAME_EMPTY", pubSubName));
        }

        if (!components.PubSubs.TryGetValue(pubSubName, out var component))
        {
            throw new ApiException(
                StatusCodes.Status404NotFound, StatusCode.InvalidArgument, "ERR_PUBSUB_NOT_FOUND", $"pubsub {pubSubName} is not found",
                Details("NOT_FOUND", pubSubName));
        }

        if (topic.Length == 0)
        {
            throw new ApiException(
                StatusCodes.Status404NotFound, StatusCode.InvalidArgument, "ERR_TOPIC_EMPTY", $"topic is empty in pubsub {pubSubName}",
                Details("TOPIC_NAME_EMPTY", pubSubName));
        }

        return component;
    }

    private static bool IsRaw(string pubSubName, IReadOnlyDictionary<string, string> metadata) =>
        PublishMetadata.TryRawPayload(metadata, out var raw)
            ? raw
            : throw new ApiException(
                StatusCodes.Status400BadRequest, StatusCode.InvalidArgument, "ERR_PUBSUB_REQUEST_METADATA",
                "failed deserializing metadata. Error: rawPayload value must be a valid boolean",
                Details("METADATA_DESERIALIZATION", pubSubName));

    private void RequirePermission(PubSubComponent component, string topic)
    {
        if (component.Scopes.MayPublish(topic))
            return;
        throw new ApiException(
            StatusCodes.Status403Forbidden, StatusCode.PermissionDenied, "ERR_PUBSUB_FORBIDDEN",
            $"topic {topic} is not allowed for app id {options.AppId}", Details("FORBIDDEN", component.Name, topic));
    }

    private ReadOnlyMemory<byte> Wrap(
        PubSubComponent component, string topic, ReadOnlyMemory<byte> data, string contentType,
        IReadOnlyDictionary<string, string> metadata, (string? Parent, string? State) trace)
    {
        var now = time.GetUtcNow();
        // A component that knows about time to live is left to it.
        var lifetime = component.Broker.Features.Contains(PubSubFeatures.MessageTtl) ? null : PublishMetadata.TimeToLive(metadata);
        var parent = trace.Parent is { Length: > 0 } given ? given : $"00-{Guid.NewGuid():N}-{Guid.NewGuid().ToString("N")[..16]}-00";
        var context = new EnvelopeContext(options.AppId, component.Name, topic, parent, trace.State ?? "");
        return CloudEventEnvelope.Wrap(data, contentType, metadata, context, now, now + lifetime)
            ?? throw new ApiException(
                StatusCodes.Status500InternalServerError, StatusCode.InvalidArgument, "ERR_PUBSUB_CLOUD_EVENTS_SER",
                "cannot create cloudevent", Details("CLOUD_EVENT_CREATION", component.Name));
    }

    internal static ApiException Failed(string pubSubName, string topic, string error) => new(
        StatusCodes.Status500InternalServerError, StatusCode.Internal, "ERR_PUBSUB_PUBLISH_MESSAGE",
        $"error when publishing to topic {topic} in pubsub {pubSubName}: {error}", Details("PUBLISH_MESSAGE", pubSubName, topic));

    private static ApiErrorDetails Details(string reason, string pubSubName, string? topic = null) => new(
        "DAPR_PUBSUB_" + reason, pubSubName, topic is null ? null : new Dictionary<string, string> { ["topic"] = topic });

    private static Dictionary<string, string> Merge(IReadOnlyDictionary<string, string> below, IReadOnlyDictionary<string, string> above)
    {
        var merged = below.ToDictionary(StringComparer.Ordinal);
        foreach (var (key, value) in above)
            merged[key] = value;
        return merged;
    }
}
