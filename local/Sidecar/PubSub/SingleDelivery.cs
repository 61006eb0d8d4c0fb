using System.Buffers;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Mime;
using System.Text.Json;
using PiiMasking.Sidecar.App;
using PiiMasking.Sidecar.Components;

namespace PiiMasking.Sidecar.PubSub;

/// <summary>Hands one message to the app and reads its answer (dapr/pkg/runtime/subscription).</summary>
internal sealed class SingleDelivery(AppChannel app, TimeProvider time)
{
    // What HTTP itself needs, what belongs to one connection, and what Go's client does not send either.
    private static readonly SearchValues<string> NotForwarded = SearchValues.Create(
        [
            "content-type", "content-length", "host", "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade",
            "http2-settings", "te", "trailer", "proxy-authorization", "proxy-authenticate",
        ],
        StringComparison.OrdinalIgnoreCase);

    private static readonly SearchValues<char> TokenCharacters =
        SearchValues.Create("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

    /// <summary>Throws only when stopped.</summary>
    public async Task<Outcome> DeliverAsync(AppSubscription subscription, InboundMessage message, CancellationToken stopping)
    {
        ReadOnlyMemory<byte> body;
        if (subscription.IsRaw)
        {
            body = CloudEventEnvelope.Raw(message.Data, message.Topic, subscription.PubSubName, message.Metadata);
        }
        else if (CloudEventEnvelope.IsMediaType(ContentTypeOf(message), MediaTypeNames.Application.Octet))
        {
            // Binary mode: the attributes are in the metadata, the bytes are the data.
            body = message.Data;
            if (Expiration(message.Metadata) < time.GetUtcNow())
                return new Outcome.Expired();
        }
        else
        {
            body = message.Data;
            if (!CloudEventEnvelope.TryInspect(body.Span, out var expiresAt))
                return new Outcome.Failed("error deserializing cloud event: the message is not a JSON object");
            if (expiresAt < time.GetUtcNow())
                return new Outcome.Expired();
        }

        using var request = app.Request(HttpMethod.Post, subscription.Route);
        request.Content = new ReadOnlyMemoryContent(body);
        request.Content.Headers.ContentType = new MediaTypeHeaderValue(CloudEventEnvelope.ContentType);
        if (!TryAddMetadata(request, message.Metadata))
            return new Outcome.Failed("error returned from app channel while sending pub/sub event to app: invalid header in the metadata");
        request.Headers.Remove("pubsubname");
        request.Headers.TryAddWithoutValidation("pubsubname", subscription.PubSubName);
        app.Authenticate(request);

        try
        {
            using var response = await app.Invoker.SendAsync(request, stopping);
            return await ReadAsync(response, stopping);
        }
        catch (HttpRequestException failed)
        {
            stopping.ThrowIfCancellationRequested();
            return new Outcome.Failed(
                "error returned from app channel while sending pub/sub event to app: " + AppErrors.Describe(failed));
        }
    }

    /// <summary>The content type of a message: the component's own field, else its metadata, else JSON.</summary>
    internal static string ContentTypeOf(InboundMessage message) =>
        message.ContentType.Length > 0 ? message.ContentType
        : message.Metadata.GetValueOrDefault("content-type") ?? MediaTypeNames.Application.Json;

    private static async Task<Outcome> ReadAsync(HttpResponseMessage response, CancellationToken stopping)
    {
        if (response.StatusCode == HttpStatusCode.NotFound)
            return new Outcome.Dropped();
        if (!response.IsSuccessStatusCode)
        {
            return new Outcome.Failed(
                $"retriable error returned from app while processing pub/sub event. status code returned: {(int)response.StatusCode}");
        }

        return StatusOf(await ReadBodyAsync(response, stopping)) switch
        {
            null or "" or "SUCCESS" => Outcome.Success,
            "DROP" => new Outcome.Dropped(),
            "RETRY" => new Outcome.Failed("RETRY status returned from app while processing pub/sub event"),
            _ => new Outcome.Failed("unknown status returned from app while processing pub/sub event"),
        };
    }

    private static async Task<byte[]> ReadBodyAsync(HttpResponseMessage response, CancellationToken stopping)
    {
        try
        {
            return await response.Content.ReadAsByteArrayAsync(stopping);
        }
        catch (HttpRequestException)
        {
            // The app has answered 2xx; what it went on to say cannot be read, which daprd takes for success.
            stopping.ThrowIfCancellationRequested();
            return [];
        }
    }

    /// <summary>The member "status", in any case, of the first JSON value; null if there is none or it is no text.</summary>
    internal static string? StatusOf(ReadOnlySpan<byte> body)
    {
        try
        {
            var reader = new Utf8JsonReader(body);
            if (!JsonDocument.TryParseValue(ref reader, out var document))
                return null;
            using (document)
            {
                if (document.RootElement.ValueKind != JsonValueKind.Object)
                    return null;
                string? status = null;
                foreach (var member in document.RootElement.EnumerateObject())
                {
                    if (!member.Name.Equals("status", StringComparison.OrdinalIgnoreCase))
                        continue;
                    if (member.Value.ValueKind is not (JsonValueKind.String or JsonValueKind.Null))
                        return null;
                    status = member.Value.GetString() ?? status;
                }

                return status;
            }
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private static bool TryAddMetadata(HttpRequestMessage request, IReadOnlyDictionary<string, string> metadata)
    {
        foreach (var (key, value) in metadata)
        {
            if (NotForwarded.Contains(key) || key.EndsWith("-bin", StringComparison.OrdinalIgnoreCase))
                continue;
            var name = key.ToLowerInvariant();
            if (name.Length == 0 || name.AsSpan().ContainsAnyExcept(TokenCharacters) || HasControlCharacter(value))
                return false;
            // .NET keeps a few names, such as content-language, for the content.
            if (!request.Headers.TryAddWithoutValidation(name, value))
                request.Content!.Headers.TryAddWithoutValidation(name, value);
        }

        return true;
    }

    private static bool HasControlCharacter(string value)
    {
        foreach (var character in value)
        {
            if (character is (< ' ' and not '\t') or '\x7f')
                return true;
        }

        return false;
    }

    private static DateTimeOffset? Expiration(IReadOnlyDictionary<string, string> metadata) =>
        PublishMetadata.Find(metadata, "ce_expiration") is { } text && CloudEventEnvelope.Instant(text) is { } instant ? instant : null;
}
