using System.Text;
using System.Text.Json;
using PiiMasking.Logins;

namespace PiiMasking.IngestionService.Intake;

/// <summary>An entry of a delivery and the id by which daprd wants it answered.</summary>
internal sealed record BulkEntry(string EntryId, ReceivedEntry Received);

/// <summary>Reads the body of a bulk delivery.</summary>
/// <remarks>
/// Read token by token and not into objects, so that one odd entry costs its neighbours nothing. Keys as daprd writes them.
/// </remarks>
internal static class BulkDelivery
{
    private static readonly JsonReaderOptions AnyDepth = new() { MaxDepth = int.MaxValue };

    private static readonly Dictionary<string, string> NoMetadata = [];

    /// <param name="body">The request's body. Events are decoded where they stand, and the entries refer to them there.</param>
    /// <param name="entries">Entries that have an id; one without cannot be answered, and daprd then keeps it.</param>
    /// <returns>False if the body is no bulk delivery.</returns>
    public static bool TryRead(Memory<byte> body, out List<BulkEntry> entries)
    {
        entries = [];
        try
        {
            var topic = "";
            var drafts = new List<Draft>();
            var reader = new Utf8JsonReader(body.Span, AnyDepth);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
                return false;
            var hasEntries = false;
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                if (reader.ValueTextEquals("topic"u8))
                    topic = ReadString(ref reader) ?? "";
                else if (reader.ValueTextEquals("entries"u8))
                    hasEntries |= ReadEntries(ref reader, body, drafts);
                else
                    reader.Skip();
            }

            reader.Read();   // throws if anything follows
            entries = drafts.ConvertAll(draft => new BulkEntry(
                draft.EntryId, new ReceivedEntry(draft.Event, draft.ContentType, draft.Metadata ?? NoMetadata, topic)));
            return hasEntries;
        }
        catch (Exception failure) when (failure is JsonException or InvalidOperationException)
        {
            // No JSON, or text that is none. Both messages quote the input.
            return false;
        }
    }

    private static bool ReadEntries(ref Utf8JsonReader reader, Memory<byte> body, List<Draft> drafts)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartArray)
        {
            reader.Skip();
            return false;
        }

        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.StartObject)
            {
                reader.Skip();
                continue;
            }

            var draft = new Draft("", default, null, null);
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                if (reader.ValueTextEquals("entryId"u8))
                    draft = draft with { EntryId = ReadString(ref reader) ?? "" };
                else if (reader.ValueTextEquals("event"u8))
                    draft = draft with { Event = ReadEvent(ref reader, body) };
                else if (reader.ValueTextEquals("contentType"u8))
                    draft = draft with { ContentType = ReadString(ref reader) };
                else if (reader.ValueTextEquals("metadata"u8))
                    draft = draft with { Metadata = ReadMetadata(ref reader) };
                else
                    reader.Skip();
            }

            if (draft.EntryId.Length > 0)
                drafts.Add(draft);
        }

        return true;
    }

    /// <summary>The entry's bytes: base64 in a raw subscription. Anything else is taken as it stands, so that no entry is stuck for ever.</summary>
    private static Memory<byte> ReadEvent(ref Utf8JsonReader reader, Memory<byte> body)
    {
        reader.Read();
        var start = (int)reader.TokenStartIndex;
        if (reader.TokenType == JsonTokenType.String)
        {
            return Base64InPlace.TryDecode(body.Slice(start + 1, reader.ValueSpan.Length), out var inPlace) ? inPlace
                : reader.TryGetBytesFromBase64(out var decoded) ? decoded
                : Encoding.UTF8.GetBytes(reader.GetString()!);
        }

        reader.Skip();
        return body[start..(int)reader.BytesConsumed];
    }

    private static Dictionary<string, string>? ReadMetadata(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            reader.Skip();
            return null;
        }

        var metadata = new Dictionary<string, string>();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = TextUnder(in reader);
            if (ReadString(ref reader) is { } value && name is not null)
                metadata[name] = value;
        }

        return metadata;
    }

    private static string? ReadString(ref Utf8JsonReader reader)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.String)
            return TextUnder(in reader);
        reader.Skip();
        return null;
    }

    private static string? TextUnder(in Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString();
        }
        catch (InvalidOperationException)
        {
            return null;   // an unpaired surrogate or invalid UTF-8
        }
    }

    private sealed record Draft(string EntryId, Memory<byte> Event, string? ContentType, Dictionary<string, string>? Metadata);
}
