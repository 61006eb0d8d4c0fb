using System.Text.Json;

namespace PiiMasking.Logins;

/// <summary>Whose message it is, read out of a message that is no login, so that it can be found when that user is erased.</summary>
/// <remarks>Pure; hostile bytes never throw. More forgiving than <see cref="LoginParser"/>: a wrong message is somebody's too.</remarks>
public static class UserIds
{
    /// <summary>Longest user id, in code points; what is longer is no user's.</summary>
    public const int MaxCodePoints = 128;

    private static readonly JsonReaderOptions Forgiving = new()
    {
        MaxDepth = int.MaxValue,
        CommentHandling = JsonCommentHandling.Skip,
        AllowTrailingCommas = true,
        AllowMultipleValues = true,
    };

    private static ReadOnlySpan<byte> QuotedName => "\"user_id\""u8;

    private static ReadOnlySpan<byte> ByteOrderMark => [0xef, 0xbb, 0xbf];

    /// <summary>
    /// Every text under a name <c>user_id</c>, at any depth, also where the JSON breaks off or is none, and inside the envelopes that
    /// <see cref="MessageReader"/> knows.
    /// </summary>
    /// <param name="payload">A message as it was sent.</param>
    /// <returns>Each once; none if the message does not say whose it is.</returns>
    public static IReadOnlyCollection<string> ReadableIn(ReadOnlySpan<byte> payload)
    {
        var found = new HashSet<string>(StringComparer.Ordinal);
        Read(payload, MessageReader.MaxNesting, found);
        return found;
    }

    private static void Read(ReadOnlySpan<byte> text, int envelopesLeft, HashSet<string> found)
    {
        if (text.StartsWith(ByteOrderMark))
            text = text[ByteOrderMark.Length..];

        // Not the final block: text that ends too early is read as far as it goes.
        var reader = new Utf8JsonReader(text, isFinalBlock: false, new JsonReaderState(Forgiving));
        try
        {
            while (reader.Read())
            {
                if (reader.TokenType != JsonTokenType.PropertyName)
                    continue;
                var isUserId = JsonText.NameIs(in reader, "user_id"u8);
                var isText = JsonText.NameIs(in reader, "data"u8) || JsonText.NameIs(in reader, "Message"u8);
                var isBase64 = JsonText.NameIs(in reader, "data_base64"u8);
                if (!reader.Read())
                    break;
                if (reader.TokenType != JsonTokenType.String)
                    continue;
                if (isUserId)
                    Keep(in reader, found);
                else if (isText && envelopesLeft > 0 && TryGetBytes(in reader) is { } inner)
                    Read(inner, envelopesLeft - 1, found);
                else if (isBase64 && envelopesLeft > 0 && TryGetBase64(in reader) is { } decoded)
                    Read(decoded, envelopesLeft - 1, found);
            }
        }
        catch (JsonException)
        {
            // Its message quotes the input. What follows the fault may still name a user.
        }

        ReadBroken(text[(int)reader.BytesConsumed..], found);
    }

    private static void ReadBroken(ReadOnlySpan<byte> text, HashSet<string> found)
    {
        for (var at = text.IndexOf(QuotedName); at >= 0; at = text.IndexOf(QuotedName))
        {
            text = text[(at + QuotedName.Length)..];
            var value = text.TrimStart(" \t\r\n"u8);
            if (value.IsEmpty || value[0] != (byte)':')
                continue;
            var reader = new Utf8JsonReader(value[1..], isFinalBlock: false, new JsonReaderState(Forgiving));
            try
            {
                if (reader.Read() && reader.TokenType == JsonTokenType.String)
                    Keep(in reader, found);
            }
            catch (JsonException)
            {
                // No value there; the next name may have one.
            }
        }
    }

    private static void Keep(in Utf8JsonReader reader, HashSet<string> found)
    {
        using var text = new JsonText(in reader, stackalloc char[2 * MaxCodePoints]);
        if (!text.IsText || text.Characters.IsEmpty)
            return;
        var codePoints = 0;
        foreach (var _ in text.Characters.EnumerateRunes())
            codePoints++;
        if (codePoints <= MaxCodePoints)
            found.Add(new string(text.Characters));
    }

    private static byte[]? TryGetBytes(in Utf8JsonReader reader)
    {
        var bytes = new byte[reader.ValueSpan.Length];
        try
        {
            return bytes[..reader.CopyString(bytes)];
        }
        catch (InvalidOperationException)
        {
            return null;   // an unpaired surrogate or invalid UTF-8
        }
    }

    private static byte[]? TryGetBase64(in Utf8JsonReader reader)
    {
        try
        {
            return reader.TryGetBytesFromBase64(out var decoded) ? decoded : null;
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }
}
