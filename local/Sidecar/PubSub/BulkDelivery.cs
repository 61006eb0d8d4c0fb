using System.Buffers;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Mime;
using System.Numerics;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using PiiMasking.Sidecar.App;
using PiiMasking.Sidecar.Components;

namespace PiiMasking.Sidecar.PubSub;

/// <summary>Hands several messages to the app in one call (dapr/pkg/runtime/subscription/bulksubscription.go).</summary>
internal sealed class BulkDelivery(AppChannel app, TimeProvider time, ILogger<BulkDelivery> logger)
{
    private const string FailedStart = "error from app channel while sending pub/sub event to app: ";

    private static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Throws only when stopped.</summary>
    /// <returns>One outcome for each message, in their order.</returns>
    public async Task<Outcome[]> DeliverAsync(
        AppSubscription subscription, IReadOnlyList<InboundMessage> messages, CancellationToken stopping)
    {
        var outcomes = new Outcome[messages.Count];
        var sent = new Dictionary<string, int>(messages.Count, StringComparer.Ordinal);
        for (var i = 0; i < messages.Count; i++)
        {
            if (Refusal(subscription, messages[i]) is { } refused)
                outcomes[i] = refused;
            else
                sent.Add(Guid.NewGuid().ToString(), i);
        }

        if (sent.Count == 0)
            return outcomes;

        using var request = app.Request(HttpMethod.Post, subscription.Route);
        request.Content = new ReadOnlyMemoryContent(Body(subscription, messages, sent));
        request.Content.Headers.ContentType = new MediaTypeHeaderValue(MediaTypeNames.Application.Json);
        request.Headers.TryAddWithoutValidation("pubsubname", subscription.PubSubName);
        app.Authenticate(request);

        try
        {
            using var response = await app.Invoker.SendAsync(request, stopping);
            await ReadAsync(response, sent, outcomes, stopping);
        }
        catch (HttpRequestException failed)
        {
            stopping.ThrowIfCancellationRequested();
            Fill(sent, outcomes, new Outcome.Failed(FailedStart + AppErrors.Describe(failed)));
        }

        return outcomes;
    }

    private Outcome? Refusal(AppSubscription subscription, InboundMessage message)
    {
        if (subscription.IsRaw)
            return null;
        // daprd loses such an entry when a valid one follows it in the batch; here it is given back like any failure.
        if (!CloudEventEnvelope.TryInspect(message.Data.Span, out var expiresAt))
            return new Outcome.Failed("error deserializing one of the messages in bulk cloud event: it is not a JSON object");
        return expiresAt < time.GetUtcNow() ? new Outcome.Expired() : null;
    }

    private async Task ReadAsync(
        HttpResponseMessage response, Dictionary<string, int> sent, Outcome[] outcomes, CancellationToken stopping)
    {
        // Unlike a single message, which is then dropped, a bulk is taken for processed.
        if (response.StatusCode == HttpStatusCode.NotFound)
        {
            Fill(sent, outcomes, Outcome.Success);
            return;
        }

        if (!response.IsSuccessStatusCode)
        {
            Fill(sent, outcomes, new Outcome.Failed(
                "retriable error returned from app while processing bulk pub/sub event. "
                + $"status code returned: {(int)response.StatusCode}"));
            return;
        }

        if (ReadStatuses(await response.Content.ReadAsByteArrayAsync(stopping)) is not { } statuses)
        {
            Fill(sent, outcomes, new Outcome.Failed("failed unmarshalling app response for bulk subscribe"));
            return;
        }

        foreach (var (entryId, status) in statuses)
        {
            if (!sent.TryGetValue(entryId, out var index))
            {
                logger.UnknownEntry();
                continue;
            }

            outcomes[index] = status switch
            {
                "SUCCESS" => Outcome.Success,
                "DROP" => new Outcome.Dropped(),
                "RETRY" or "" => new Outcome.Failed("RETRY required while processing bulk subscribe event"),
                _ => new Outcome.Failed("unknown status returned from app while processing bulk subscribe event"),
            };
        }

        foreach (var index in sent.Values)
            outcomes[index] ??= new Outcome.Failed("response not received, RETRY required while processing bulk subscribe event");
    }

    /// <returns>Null if the answer is empty or not of the shape {"statuses":[{"entryId","status"}]}, keys in any case.</returns>
    internal static IReadOnlyList<(string EntryId, string Status)>? ReadStatuses(byte[] body)
    {
        try
        {
            var reader = new Utf8JsonReader(body);
            if (JsonSerializer.Deserialize<Answer>(ref reader, JsonSerializerOptions.Web) is not { } answer)
                return [];
            return [.. (answer.Statuses ?? []).Select(status => (status?.EntryId ?? "", status?.Status ?? ""))];
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static void Fill(Dictionary<string, int> sent, Outcome[] outcomes, Outcome outcome)
    {
        foreach (var index in sent.Values)
            outcomes[index] = outcome;
    }

    private static ReadOnlyMemory<byte> Body(
        AppSubscription subscription, IReadOnlyList<InboundMessage> messages, Dictionary<string, int> sent)
    {
        var size = sent.Values.Sum(index => messages[index].Data.Length);
        var buffer = new ArrayBufferWriter<byte>(size * 4 / 3 + 512 * (sent.Count + 1));
        using var json = new Utf8JsonWriter(buffer, Plain);
        json.WriteStartObject();
        json.WriteString("id", Guid.NewGuid().ToString());
        json.WriteString("type", "com.dapr.event.sent.bulk");
        json.WriteString("topic", subscription.Topic);
        json.WriteString("pubsubname", subscription.PubSubName);
        json.WriteStartObject("metadata");
        json.WriteString("pubsubName", subscription.PubSubName);
        json.WriteEndObject();
        json.WriteStartArray("entries");
        foreach (var (entryId, index) in sent)
            WriteEntry(json, subscription.IsRaw, entryId, messages[index]);
        json.WriteEndArray();
        json.WriteEndObject();
        json.Flush();
        return buffer.WrittenMemory;
    }

    private static void WriteEntry(Utf8JsonWriter json, bool isRaw, string entryId, InboundMessage message)
    {
        json.WriteStartObject();
        json.WriteString("entryId", entryId);
        json.WritePropertyName("event");
        if (isRaw)
            json.WriteBase64StringValue(message.Data.Span);
        else
            Rewrite(message.Data.Span, json);

        json.WritePropertyName("metadata");
        if (message.Metadata.Count == 0)
        {
            json.WriteNullValue();
        }
        else
        {
            json.WriteStartObject();
            foreach (var (key, value) in message.Metadata)
                json.WriteString(key, value);
            json.WriteEndObject();
        }

        var otherwise = isRaw ? MediaTypeNames.Application.Octet : CloudEventEnvelope.ContentType;
        json.WriteString("contentType", message.ContentType.Length > 0 ? message.ContentType : otherwise);
        json.WriteEndObject();
    }

    /// <summary>Copies a CloudEvent as Go decodes and encodes it: every number passes through a float64.</summary>
    /// <remarks>So whole numbers above 2^53 change here as they do in production.</remarks>
    internal static void Rewrite(ReadOnlySpan<byte> value, Utf8JsonWriter json)
    {
        var reader = new Utf8JsonReader(value, new JsonReaderOptions { MaxDepth = 10_000 });
        while (reader.Read())
        {
            switch (reader.TokenType)
            {
                case JsonTokenType.StartObject:
                    json.WriteStartObject();
                    break;
                case JsonTokenType.EndObject:
                    json.WriteEndObject();
                    break;
                case JsonTokenType.StartArray:
                    json.WriteStartArray();
                    break;
                case JsonTokenType.EndArray:
                    json.WriteEndArray();
                    break;
                case JsonTokenType.PropertyName:
                    json.WritePropertyName(TryText(ref reader) ?? Encoding.UTF8.GetString(reader.ValueSpan));
                    break;
                case JsonTokenType.String when TryText(ref reader) is { } text:
                    json.WriteStringValue(text);
                    break;
                // Broken UTF-8 becomes the replacement character, as in Go; an unpaired surrogate stays escaped as it was.
                case JsonTokenType.String:
                    json.WriteRawValue($"\"{Encoding.UTF8.GetString(reader.ValueSpan)}\"", skipInputValidation: true);
                    break;
                case JsonTokenType.Number when double.IsFinite(reader.GetDouble()):
                    WriteNumber(reader.GetDouble(), json);
                    break;
                case JsonTokenType.Number:
                    json.WriteRawValue(reader.ValueSpan, skipInputValidation: true);
                    break;
                case JsonTokenType.True or JsonTokenType.False:
                    json.WriteBooleanValue(reader.GetBoolean());
                    break;
                default:
                    json.WriteNullValue();
                    break;
            }
        }
    }

    private static string? TryText(ref Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString();
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    private static void WriteNumber(double number, Utf8JsonWriter json)
    {
        // Go writes whole numbers below 1e21 with all their digits, never with an exponent.
        if (double.IsInteger(number) && Math.Abs(number) < 1e21)
            json.WriteRawValue(new BigInteger(number).ToString(CultureInfo.InvariantCulture));
        else
            json.WriteNumberValue(number);
    }

    private sealed record Answer(IReadOnlyList<EntryStatus?>? Statuses);

    private sealed record EntryStatus(string? EntryId, string? Status);
}
