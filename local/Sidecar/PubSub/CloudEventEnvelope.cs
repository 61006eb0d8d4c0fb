using System.Buffers;
using System.Globalization;
using System.Net.Mime;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace PiiMasking.Sidecar.PubSub;

/// <summary>Where a publication comes from and where it goes.</summary>
/// <param name="TraceParent">Of the publisher's request, or a new one.</param>
internal sealed record EnvelopeContext(string Source, string PubSubName, string Topic, string TraceParent, string TraceState);

/// <summary>The CloudEvents that daprd makes (components-contrib, pubsub/envelope.go).</summary>
internal static class CloudEventEnvelope
{
    public const string ContentType = "application/cloudevents+json";
    public const string DefaultType = "com.dapr.event.sent";

    private static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    // Go's decoder goes this deep.
    private const int MaxDepth = 10_000;

    /// <summary>Wraps a publication; one that is a CloudEvent already keeps what it says.</summary>
    /// <param name="expiresAt">Null: no expiration.</param>
    /// <returns>The event, or null if the data claims to be a CloudEvent and is no JSON object.</returns>
    public static byte[]? Wrap(
        ReadOnlyMemory<byte> data, string contentType, IReadOnlyDictionary<string, string> metadata, EnvelopeContext context,
        DateTimeOffset now, DateTimeOffset? expiresAt) => IsMediaType(contentType, ContentType)
            ? PassThrough(data, context, expiresAt)
            : Create(data, contentType, metadata, context, now, expiresAt);

    /// <summary>The event that a raw message is delivered in: a new id every time, no time, data in base64.</summary>
    public static ReadOnlyMemory<byte> Raw(
        ReadOnlyMemory<byte> data, string topic, string pubSubName, IReadOnlyDictionary<string, string> metadata)
    {
        var buffer = new ArrayBufferWriter<byte>(data.Length * 4 / 3 + 512);
        using var json = new Utf8JsonWriter(buffer, Plain);
        json.WriteStartObject();
        json.WriteBase64String("data_base64", data.Span);
        json.WriteString("datacontenttype", MediaTypeNames.Application.Octet);
        json.WriteString("id", Guid.NewGuid().ToString());
        json.WriteString("pubsubname", pubSubName);
        json.WriteString("source", "Dapr");
        json.WriteString("specversion", "1.0");
        json.WriteString("topic", topic);

        var traceParent = metadata.GetValueOrDefault("traceparent");
        // The newer traceparent supersedes the older traceid.
        if ((traceParent ?? metadata.GetValueOrDefault("traceid")) is { } traceId)
            json.WriteString("traceid", traceId);
        if (traceParent is not null)
            json.WriteString("traceparent", traceParent);
        if (metadata.GetValueOrDefault("tracestate") is { } traceState)
            json.WriteString("tracestate", traceState);
        json.WriteString("type", DefaultType);
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenMemory;
    }

    /// <summary>Looks through an event on its way to the app, without changing it.</summary>
    /// <returns>False if it is no JSON object.</returns>
    public static bool TryInspect(ReadOnlySpan<byte> data, out DateTimeOffset? expiresAt)
    {
        expiresAt = null;
        var reader = new Utf8JsonReader(data, new JsonReaderOptions { MaxDepth = MaxDepth });
        try
        {
            // null decodes into Go's nil map, so it passes.
            if (!reader.Read() || reader.TokenType is not (JsonTokenType.StartObject or JsonTokenType.Null))
                return false;
            while (reader.Read())
            {
                if (reader.TokenType == JsonTokenType.PropertyName && reader.CurrentDepth == 1 && reader.ValueTextEquals("expiration"u8))
                {
                    reader.Read();
                    expiresAt = reader.TokenType == JsonTokenType.String ? Instant(reader.GetString()!) : null;
                }
            }

            return true;
        }
        catch (Exception broken) when (broken is JsonException or InvalidOperationException)
        {
            // InvalidOperationException: a string that is no UTF-8. Both can quote the message, so neither leaves here.
            return false;
        }
    }

    /// <summary>Compares media types without their parameters.</summary>
    public static bool IsMediaType(string contentType, string expected)
    {
        var end = contentType.IndexOf(';', StringComparison.Ordinal);
        var bare = (end < 0 ? contentType.AsSpan() : contentType.AsSpan(0, end)).Trim();
        return bare.Equals(expected, StringComparison.OrdinalIgnoreCase);
    }

    private static byte[] Create(
        ReadOnlyMemory<byte> data, string contentType, IReadOnlyDictionary<string, string> metadata, EnvelopeContext context,
        DateTimeOffset now, DateTimeOffset? expiresAt)
    {
        contentType = contentType.Length == 0 ? MediaTypeNames.Text.Plain : contentType;
        var traceParent = Override("traceparent") ?? context.TraceParent;

        var buffer = new ArrayBufferWriter<byte>(data.Length + 512);
        using var json = new Utf8JsonWriter(buffer, Plain);
        json.WriteStartObject();
        if (IsMediaType(contentType, MediaTypeNames.Application.Octet))
        {
            json.WriteBase64String("data_base64", data.Span);
        }
        else
        {
            json.WritePropertyName("data");
            if (IsMediaType(contentType, MediaTypeNames.Application.Json) && IsJson(data.Span))
                json.WriteRawValue(data.Span, skipInputValidation: true);
            else
                json.WriteStringValue(Encoding.UTF8.GetString(data.Span));
        }

        json.WriteString("datacontenttype", contentType);
        if (expiresAt is { } expiration)
            json.WriteString("expiration", Rfc3339(expiration));
        json.WriteString("id", Override("id") ?? Guid.NewGuid().ToString());
        json.WriteString("pubsubname", context.PubSubName);
        json.WriteString("source", Override("source") ?? context.Source);
        json.WriteString("specversion", "1.0");
        if (Override("subject") is { } subject)
            json.WriteString("subject", subject);
        json.WriteString("time", Rfc3339(now));
        json.WriteString("topic", context.Topic);
        json.WriteString("traceid", Override("traceid") ?? traceParent);
        json.WriteString("traceparent", traceParent);
        json.WriteString("tracestate", Override("tracestate") ?? context.TraceState);
        json.WriteString("type", Override("type") ?? DefaultType);
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenSpan.ToArray();

        string? Override(string attribute) =>
            PublishMetadata.Find(metadata, "cloudevent." + attribute) is { Length: > 0 } given ? given : null;
    }

    private static byte[]? PassThrough(ReadOnlyMemory<byte> data, EnvelopeContext context, DateTimeOffset? expiresAt)
    {
        try
        {
            using var document = JsonDocument.Parse(data, new JsonDocumentOptions { MaxDepth = MaxDepth });
            return document.RootElement.ValueKind == JsonValueKind.Object ? PassThrough(document.RootElement, context, expiresAt) : null;
        }
        catch (Exception broken) when (broken is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private static byte[] PassThrough(JsonElement given, EnvelopeContext context, DateTimeOffset? expiresAt)
    {
        // Of a name that comes twice the last one counts, as in Go; null is as good as absent.
        var members = new OrderedDictionary<string, JsonElement>();
        foreach (var member in given.EnumerateObject())
            members[member.Name] = member.Value;

        var traceParent = Given("traceparent") is { ValueKind: JsonValueKind.String } own ? own.GetString()! : context.TraceParent;
        var added = new List<(string Name, string Value)> { ("topic", context.Topic), ("pubsubname", context.PubSubName) };
        AddIfAbsent("traceparent", traceParent);
        AddIfAbsent("traceid", traceParent);
        AddIfAbsent("tracestate", context.TraceState);
        AddIfAbsent("source", "Dapr");
        AddIfAbsent("type", DefaultType);
        AddIfAbsent("specversion", "1.0");
        if (expiresAt is { } expiration)
            added.Add(("expiration", Rfc3339(expiration)));

        var buffer = new ArrayBufferWriter<byte>(512);
        using var json = new Utf8JsonWriter(buffer, Plain);
        json.WriteStartObject();
        foreach (var (name, value) in members.Where(member => !added.Exists(one => one.Name == member.Key)))
        {
            json.WritePropertyName(name);
            json.WriteRawValue(value.GetRawText(), skipInputValidation: true);
        }

        foreach (var (name, value) in added)
            json.WriteString(name, value);
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenSpan.ToArray();

        JsonElement? Given(string name) =>
            members.TryGetValue(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

        void AddIfAbsent(string name, string value)
        {
            if (Given(name) is null)
                added.Add((name, value));
        }
    }

    private static bool IsJson(ReadOnlySpan<byte> data)
    {
        var reader = new Utf8JsonReader(data, new JsonReaderOptions { MaxDepth = MaxDepth });
        try
        {
            while (reader.Read())
            {
            }

            return reader.BytesConsumed > 0 && reader.TokenType != JsonTokenType.None;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static string Rfc3339(DateTimeOffset instant) =>
        instant.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    internal static DateTimeOffset? Instant(string text) =>
        DateTimeOffset.TryParseExact(
            text,
            ["yyyy-MM-dd'T'HH:mm:ssK", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFK"],
            CultureInfo.InvariantCulture,
            DateTimeStyles.AssumeUniversal,
            out var instant)
            ? instant
            : null;
}
