using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using PiiMasking.SqsComponent.Queues;

namespace PiiMasking.SqsComponent.Batches;

/// <summary>Writes messages as a CloudEvents 1.0 JSON batch: an array, one event a message. Pure.</summary>
/// <remarks>
/// Every event has the same identity and time in every delivery: <c>id</c> is the SQS MessageId, <c>time</c> the
/// SentTimestamp. The body goes as <c>data_base64</c>, byte for byte: daprd rewrites numbers of JSON that it can see.
/// </remarks>
internal static class CloudEventsBatch
{
    public const string ContentType = "application/cloudevents-batch+json";

    /// <summary>Largest batch in bytes: daprd takes messages of up to 4 MiB; the rest is for the frame around the data.</summary>
    public const int MaxBytes = (4 << 20) - (64 << 10);

    private const int EnvelopeBytes = 256;

    private static readonly JsonEncodedText SpecVersion = JsonEncodedText.Encode("specversion");
    private static readonly JsonEncodedText Id = JsonEncodedText.Encode("id");
    private static readonly JsonEncodedText Source = JsonEncodedText.Encode("source");
    private static readonly JsonEncodedText Type = JsonEncodedText.Encode("type");
    private static readonly JsonEncodedText Time = JsonEncodedText.Encode("time");
    private static readonly JsonEncodedText DataContentType = JsonEncodedText.Encode("datacontenttype");
    private static readonly JsonEncodedText TraceParent = JsonEncodedText.Encode("traceparent");
    private static readonly JsonEncodedText DataBase64 = JsonEncodedText.Encode("data_base64");

    // Valid inside a JSON string and shorter; nobody puts these bytes into HTML.
    private static readonly JsonWriterOptions Json =
        new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    /// <summary>The address of a queue as the <c>source</c> of its messages.</summary>
    public static string SourceOf(string queue) => $"sqs:{queue}";

    /// <summary>An upper bound of the bytes that a message takes in a batch.</summary>
    public static int SizeOf(ReceivedMessage message, string source)
    {
        // A JSON string takes at most six bytes a character (\u0000).
        var text = message.Id.Length + source.Length + (message.ContentType?.Length ?? 0) + (message.TraceParent?.Length ?? 0);
        return EnvelopeBytes + (text * 6) + (((message.Body.Length + 2) / 3) * 4);
    }

    public static void Write(PooledBuffer buffer, string source, IEnumerable<ReceivedMessage> messages)
    {
        using var json = new Utf8JsonWriter(buffer, Json);
        Span<char> time = stackalloc char[24];
        json.WriteStartArray();
        foreach (var message in messages)
        {
            json.WriteStartObject();
            json.WriteString(SpecVersion, "1.0"u8);
            json.WriteString(Id, message.Id);
            json.WriteString(Source, source);
            json.WriteString(Type, "aws.sqs.message"u8);
            if (message.SentAt is { } sentAt)
            {
                sentAt.TryFormat(time, out var length, "yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
                json.WriteString(Time, time[..length]);
            }

            json.WriteString(DataContentType, message.ContentType ?? "application/octet-stream");
            if (message.TraceParent is not null)
                json.WriteString(TraceParent, message.TraceParent);
            json.WriteBase64String(DataBase64, message.Body.Span);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
