using System.Buffers;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text.Json;

namespace PiiMasking.Tink;

/// <summary>Reads a keyset in Tink's JSON format, taking only what Tink for Java and Tink for Go both take.</summary>
/// <remarks>
/// Works on the bytes as they came: a string could not be wiped. Nothing out of the text gets into a message, because
/// whatever stands in the wrong place may be a key.
/// </remarks>
internal static class KeysetReader
{
    private static readonly string[] MaterialTypes = ["SYMMETRIC", "ASYMMETRIC_PRIVATE", "ASYMMETRIC_PUBLIC", "REMOTE"];
    private static readonly string[] PrefixTypes = ["TINK", "LEGACY", "RAW", "CRUNCHY", "WITH_ID_REQUIREMENT"];
    private static readonly string[] Statuses = ["ENABLED", "DISABLED", "DESTROYED"];

    public static Keyset Read(ReadOnlySpan<byte> utf8Json)
    {
        if (utf8Json.StartsWith("\uFEFF"u8))
            throw new KeysetException("The keyset starts with a byte order mark; save it as UTF-8 without one.");
        if (utf8Json.IndexOfAnyExcept(" \t\r\n"u8) < 0)
            throw new KeysetException("The keyset is empty. Make one with 'keyset new' and store its text as one string.");

        var reader = new Utf8JsonReader(utf8Json);
        var keys = new List<RawKey>();
        try
        {
            var primaryKeyId = ReadKeyset(ref reader, keys);
            return Assemble(primaryKeyId, keys);
        }
        catch (JsonException e)
        {
            // Not as inner exception: its message quotes the text.
            throw new KeysetException(
                $"The keyset is not JSON: line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1}. Was it cut short or altered on "
                    + "its way?");
        }
        catch (InvalidOperationException)
        {
            throw new KeysetException("The keyset has text that is not UTF-8. Was it altered on its way?");
        }
        finally
        {
            foreach (var key in keys)
                CryptographicOperations.ZeroMemory(key.Value);
        }
    }

    private static uint? ReadKeyset(ref Utf8JsonReader reader, List<RawKey> keys)
    {
        reader.Read();
        if (reader.TokenType != JsonTokenType.StartObject)
            throw new KeysetException("The keyset is not a JSON object. Store the keyset's own text, as 'keyset new' prints it.");

        uint? primaryKeyId = null;
        var hasKeys = false;
        while (NextMember(ref reader))
        {
            if (reader.ValueTextEquals("primaryKeyId") && primaryKeyId is null)
            {
                primaryKeyId = ReadId(ref reader);
            }
            else if (reader.ValueTextEquals("key") && !hasKeys)
            {
                hasKeys = true;
                Expect(ref reader, JsonTokenType.StartArray, "an array of keys");
                while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                {
                    var key = new RawKey();
                    keys.Add(key);
                    ReadKey(ref reader, key);
                }
            }
            else if (reader.ValueTextEquals("encryptedKeyset"))
            {
                throw new KeysetException("This is a keyset that Tink encrypted. Decrypt it with the KMS that did, and wrap it "
                    + "again with 'keyset wrap'.");
            }
            else
            {
                throw UnknownMember(reader);
            }
        }

        // Anything but white space after the end makes the reader throw.
        reader.Read();
        return primaryKeyId;
    }

    private static void ReadKey(ref Utf8JsonReader reader, RawKey key)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
            throw Expected(reader, "a key");

        var hasData = false;
        while (NextMember(ref reader))
        {
            if (reader.ValueTextEquals("keyData") && !hasData)
            {
                hasData = true;
                ReadKeyData(ref reader, key);
            }
            else if (reader.ValueTextEquals("status") && key.Status is null)
            {
                key.Status = Statuses[ReadName(ref reader, Statuses)] switch
                {
                    "ENABLED" => KeyStatus.Enabled,
                    "DISABLED" => KeyStatus.Disabled,
                    _ => KeyStatus.Destroyed,
                };
            }
            else if (reader.ValueTextEquals("keyId") && key.Id is null)
            {
                key.Id = ReadId(ref reader);
            }
            else if (reader.ValueTextEquals("outputPrefixType") && key.PrefixType is null)
            {
                key.PrefixType = PrefixTypes[ReadName(ref reader, PrefixTypes)];
            }
            else
            {
                throw UnknownMember(reader);
            }
        }
    }

    private static void ReadKeyData(ref Utf8JsonReader reader, RawKey key)
    {
        Expect(ref reader, JsonTokenType.StartObject, "the key's data");
        while (NextMember(ref reader))
        {
            if (reader.ValueTextEquals("typeUrl") && key.TypeUrl is null)
            {
                Expect(ref reader, JsonTokenType.String, "the name of the key's type");
                key.TypeUrl = reader.GetString();
            }
            else if (reader.ValueTextEquals("value") && key.Value is null)
            {
                Expect(ref reader, JsonTokenType.String, "the key's value in base64");
                key.Value = ReadBase64(ref reader);
            }
            else if (reader.ValueTextEquals("keyMaterialType") && key.MaterialType is null)
            {
                key.MaterialType = MaterialTypes[ReadName(ref reader, MaterialTypes)];
            }
            else
            {
                throw UnknownMember(reader);
            }
        }
    }

    private static Keyset Assemble(uint? primaryKeyId, List<RawKey> rawKeys)
    {
        if (rawKeys.Count == 0)
            throw new KeysetException("The keyset has no keys. Make one with 'keyset new'.");
        if (primaryKeyId is not { } primary)
            throw new KeysetException("The keyset has no primaryKeyId.");
        foreach (var key in rawKeys)
            key.RequireAllMembers();
        if (rawKeys.GroupBy(key => key.Id).FirstOrDefault(group => group.Count() > 1) is { } twice)
            throw new KeysetException($"Two keys have the id {twice.Key}; every key needs an id of its own.");

        var primaryKey = rawKeys.Find(key => key.Id == primary)
            ?? throw new KeysetException($"The keyset names key {primary} as its primary key, and has no such key.");
        if (primaryKey.Status != KeyStatus.Enabled)
        {
            throw new KeysetException(
                $"The primary key {primary} is {KeysetWriter.Name(primaryKey.Status!.Value)}; enable it, or make an enabled key primary.");
        }
        var kind = KeyProto.Kind(primaryKey.TypeUrl!)
            ?? throw new KeysetException($"The primary key {primary} is of a type that is not used here; masking takes AES256_SIV, "
                + "quarantine AES256_GCM, integrity HMAC_SHA256_256BITTAG.");

        var keys = new List<Keyset.Key>(rawKeys.Count);
        try
        {
            foreach (var key in rawKeys)
                keys.Add(key.Check(kind));
            return new Keyset(kind, primary, [.. keys]);
        }
        catch (KeysetException)
        {
            keys.ForEach(key => key.Dispose());
            throw;
        }
    }

    private static bool NextMember(ref Utf8JsonReader reader) => reader.Read() && reader.TokenType == JsonTokenType.PropertyName;

    private static void Expect(ref Utf8JsonReader reader, JsonTokenType type, string what)
    {
        reader.Read();
        if (reader.TokenType != type)
            throw Expected(reader, what);
    }

    private static uint ReadId(ref Utf8JsonReader reader)
    {
        Expect(ref reader, JsonTokenType.Number, "a key id: an integer from 1 to 4294967295, without quotation marks");

        // Digits only: 1.0 and 1e0 are numbers to Tink for Go and not to Tink for Java.
        if (reader.ValueSpan.ContainsAnyExceptInRange((byte)'0', (byte)'9') || !reader.TryGetUInt32(out var id) || id == 0)
            throw Expected(reader, "a key id: an integer from 1 to 4294967295");
        return id;
    }

    private static int ReadName(ref Utf8JsonReader reader, string[] names)
    {
        Expect(ref reader, JsonTokenType.String, string.Join(" or ", names));
        for (var i = 0; i < names.Length; i++)
        {
            if (reader.ValueTextEquals(names[i]))
                return i;
        }
        throw Expected(reader, string.Join(" or ", names));
    }

    /// <summary>Standard base64 with padding, strictly: .NET's reader ignores white space and stray bits at the end.</summary>
    private static byte[] ReadBase64(ref Utf8JsonReader reader)
    {
        var text = PinnedBytes.Allocate(reader.ValueSpan.Length);
        var again = PinnedBytes.Allocate(Base64.GetMaxEncodedToUtf8Length(text.Length));
        var bytes = PinnedBytes.Allocate(Base64.GetMaxDecodedFromUtf8Length(text.Length));
        try
        {
            var utf8 = text.AsSpan(0, reader.CopyString(text));
            if (Base64.DecodeFromUtf8(utf8, bytes, out _, out var length) != OperationStatus.Done
                || Base64.EncodeToUtf8(bytes.AsSpan(0, length), again, out _, out var written) != OperationStatus.Done
                || !utf8.SequenceEqual(again.AsSpan(0, written)))
            {
                throw Expected(reader, "the key's value in standard base64 with padding");
            }
            return PinnedBytes.CopyOf(bytes.AsSpan(0, length));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(text);
            CryptographicOperations.ZeroMemory(again);
            CryptographicOperations.ZeroMemory(bytes);
        }
    }

    private static KeysetException Expected(in Utf8JsonReader reader, string what) =>
        new($"The keyset needs {what} at byte {reader.TokenStartIndex + 1}, and has something else there.");

    private static KeysetException UnknownMember(in Utf8JsonReader reader) =>
        new($"The keyset has a member at byte {reader.TokenStartIndex + 1} that is repeated or that a Tink keyset does not have; "
            + "remove it.");

    /// <summary>A key as the text has it.</summary>
    private sealed class RawKey
    {
        public uint? Id { get; set; }

        public KeyStatus? Status { get; set; }

        public string? TypeUrl { get; set; }

        public string? MaterialType { get; set; }

        public string? PrefixType { get; set; }

        /// <summary>The protobuf; pinned.</summary>
        public byte[]? Value { get; set; }

        public void RequireAllMembers()
        {
            if (Id is not { } id)
                throw new KeysetException("A key has no keyId.");
            if (TypeUrl is null || Value is null || MaterialType is null)
                throw new KeysetException($"Key {id} has no complete keyData: typeUrl, value, keyMaterialType.");
            if (Status is null)
                throw new KeysetException($"Key {id} has no status.");
            if (PrefixType is null)
                throw new KeysetException($"Key {id} has no outputPrefixType.");
        }

        public Keyset.Key Check(KeyKind kind)
        {
            var (id, status, typeUrl) = (Id!.Value, Status!.Value, TypeUrl!);
            if (KeyProto.Kind(typeUrl) != kind)
            {
                // Tink looks at enabled keys only.
                if (status == KeyStatus.Enabled)
                    throw new KeysetException($"Key {id} is enabled and of another type than the primary key; one keyset serves "
                        + "one primitive.");
                return new Keyset.Key(id, status, null, typeUrl, status == KeyStatus.Destroyed ? [] : PinnedBytes.CopyOf(Value))
                {
                    MaterialType = MaterialType!,
                    PrefixType = PrefixType!,
                };
            }

            if (PrefixType != "TINK")
            {
                throw new KeysetException(
                    $"Key {id} has the output prefix {PrefixType}; only TINK is taken, because rotation needs tokens that name their key.");
            }
            if (MaterialType != "SYMMETRIC")
                throw new KeysetException($"Key {id} has the keyMaterialType {MaterialType}; it must be SYMMETRIC.");

            if (status == KeyStatus.Destroyed)
                return new Keyset.Key(id, status, kind, typeUrl, [], kind == KeyKind.Mac ? HMACSHA256.HashSizeInBytes : 0);
            var secret = KeyProto.Read(kind, id, Value, out var tagLength);
            return new Keyset.Key(id, status, kind, typeUrl, PinnedBytes.CopyOf(secret), tagLength);
        }
    }
}
