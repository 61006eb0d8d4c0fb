using System.Security.Cryptography;

namespace PiiMasking.Tink;

/// <summary>Tink's key protobufs (aes_siv.proto, aes_gcm.proto, hmac.proto), as far as this product's three kinds need them.</summary>
/// <remarks>Strict where protobuf is lenient: unknown and repeated fields are refused.</remarks>
internal static class KeyProto
{
    private const int VersionField = 1;
    private const int SivKeyField = 2;
    private const int HmacParametersField = 2;
    private const int GcmOrHmacKeyField = 3;

    private const int HmacHashField = 1;
    private const int HmacTagSizeField = 2;
    private const int HmacSha256 = 3;

    private const int SivKeyLength = 64;
    private const int GcmKeyLength = 32;

    // Tink's own bounds for HMAC-SHA256; new keys have 32 bytes and 32-byte tags.
    private const int ShortestHmacKey = 16;
    private const int ShortestHmacTag = 10;

    private const int Varint = 0;
    private const int LengthDelimited = 2;

    private static readonly (KeyKind Kind, string TypeUrl)[] TypeUrls =
    [
        (KeyKind.DeterministicAead, "type.googleapis.com/google.crypto.tink.AesSivKey"),
        (KeyKind.Aead, "type.googleapis.com/google.crypto.tink.AesGcmKey"),
        (KeyKind.Mac, "type.googleapis.com/google.crypto.tink.HmacKey"),
    ];

    public static string TypeUrl(KeyKind kind) => Array.Find(TypeUrls, type => type.Kind == kind).TypeUrl;

    public static KeyKind? Kind(string typeUrl)
    {
        var index = Array.FindIndex(TypeUrls, type => type.TypeUrl == typeUrl);
        return index < 0 ? null : TypeUrls[index].Kind;
    }

    public static int NewKeyLength(KeyKind kind) => kind == KeyKind.DeterministicAead ? SivKeyLength : GcmKeyLength;

    /// <summary>The protobuf of a key.</summary>
    /// <returns>Pinned; the caller wipes it.</returns>
    public static byte[] Write(KeyKind kind, ReadOnlySpan<byte> secret, int tagLength)
    {
        ReadOnlySpan<byte> parameters = kind == KeyKind.Mac
            ? [Tag(HmacParametersField, LengthDelimited), 4,
                Tag(HmacHashField, Varint), HmacSha256, Tag(HmacTagSizeField, Varint), (byte)tagLength]
            : [];
        // One-byte lengths: an AES key has 64 bytes at most, and a longer HMAC key could as well be its own hash.
        ReadOnlySpan<byte> header = [Tag(KeyField(kind), LengthDelimited), checked((byte)secret.Length)];
        var proto = PinnedBytes.Allocate(parameters.Length + header.Length + secret.Length);
        parameters.CopyTo(proto);
        header.CopyTo(proto.AsSpan(parameters.Length));
        secret.CopyTo(proto.AsSpan(parameters.Length + header.Length));
        return proto;
    }

    /// <summary>Reads the protobuf of a key.</summary>
    /// <returns>The key's bytes, a part of the input, and for HMAC the length of its tags.</returns>
    /// <exception cref="KeysetException">It is not such a key, or not one that anybody should use.</exception>
    public static ReadOnlySpan<byte> Read(KeyKind kind, uint keyId, ReadOnlySpan<byte> proto, out int tagLength)
    {
        var reader = new Reader(proto, keyId);
        ReadOnlySpan<byte> secret = [];
        ReadOnlySpan<byte> parameters = [];
        while (reader.Next())
        {
            if (reader.Is(VersionField, Varint))
            {
                if (reader.Number != 0)
                    throw new KeysetException($"Key {keyId} has version {reader.Number}; only version 0 is known.");
            }
            else if (reader.Is(KeyField(kind), LengthDelimited))
            {
                secret = reader.Bytes;
            }
            else if (kind == KeyKind.Mac && reader.Is(HmacParametersField, LengthDelimited))
            {
                parameters = reader.Bytes;
            }
            else
            {
                throw Malformed(keyId);
            }
        }

        tagLength = kind == KeyKind.Mac ? ReadHmacParameters(keyId, parameters) : 0;
        Check(kind, keyId, secret);
        return secret;
    }

    private static int ReadHmacParameters(uint keyId, ReadOnlySpan<byte> parameters)
    {
        var reader = new Reader(parameters, keyId);
        ulong hash = 0, tagSize = 0;
        while (reader.Next())
        {
            if (reader.Is(HmacHashField, Varint))
                hash = reader.Number;
            else if (reader.Is(HmacTagSizeField, Varint))
                tagSize = reader.Number;
            else
                throw Malformed(keyId);
        }

        if (hash != HmacSha256 || tagSize is < ShortestHmacTag or > HMACSHA256.HashSizeInBytes)
            throw new KeysetException($"Key {keyId} is not an HMAC-SHA256 key with tags of 10 to 32 bytes; make one with Tink's "
                + "HMAC_SHA256_256BITTAG.");
        return (int)tagSize;
    }

    private static void Check(KeyKind kind, uint keyId, ReadOnlySpan<byte> secret)
    {
        var fits = kind switch
        {
            KeyKind.DeterministicAead => secret.Length == SivKeyLength,
            KeyKind.Aead => secret.Length == GcmKeyLength,
            _ => secret.Length is >= ShortestHmacKey and <= byte.MaxValue / 2,
        };
        if (!fits)
        {
            throw new KeysetException(kind switch
            {
                KeyKind.DeterministicAead => $"Key {keyId} has {secret.Length} bytes; an AES256_SIV key has 64.",
                KeyKind.Aead => $"Key {keyId} has {secret.Length} bytes; an AES256_GCM key has 32.",
                _ => $"Key {keyId} has {secret.Length} bytes; an HMAC key here has 16 to 127.",
            });
        }

        if (!secret.ContainsAnyExcept((byte)0))
            throw new KeysetException($"Key {keyId} is all zeros: a placeholder that nobody replaced. Make a real keyset with "
                + "'keyset new'.");
        if (kind == KeyKind.DeterministicAead && secret[..(SivKeyLength / 2)].SequenceEqual(secret[(SivKeyLength / 2)..]))
            throw new KeysetException($"Key {keyId} has two equal halves, which key generation never makes. Make a real keyset "
                + "with 'keyset new'.");
    }

    private static int KeyField(KeyKind kind) => kind == KeyKind.DeterministicAead ? SivKeyField : GcmOrHmacKeyField;

    private static byte Tag(int field, int wireType) => (byte)((field << 3) | wireType);

    private static KeysetException Malformed(uint keyId) =>
        new($"The value of key {keyId} is not a key of its type: it is cut short, altered, or has fields that are unknown or repeated.");

    /// <summary>Goes over the fields of a message, each at most once.</summary>
    private ref struct Reader(ReadOnlySpan<byte> message, uint keyId)
    {
        private readonly uint keyId = keyId;
        private ReadOnlySpan<byte> rest = message;
        private ulong tag;
        private uint seen;

        public ulong Number { get; private set; }

        public ReadOnlySpan<byte> Bytes { get; private set; }

        public readonly bool Is(int field, int wireType) => tag == Tag(field, wireType);

        public bool Next()
        {
            if (rest.IsEmpty)
                return false;

            tag = ReadVarint();
            var field = tag >> 3;
            if (field is 0 or > 31 || (seen & (1u << (int)field)) != 0)
                throw Malformed(keyId);
            seen |= 1u << (int)field;

            Number = ReadVarint();
            Bytes = [];
            if ((tag & 7) == LengthDelimited)
            {
                if (Number > (ulong)rest.Length)
                    throw Malformed(keyId);
                Bytes = rest[..(int)Number];
                rest = rest[(int)Number..];
            }
            else if ((tag & 7) != Varint)
            {
                throw Malformed(keyId);
            }
            return true;
        }

        private ulong ReadVarint()
        {
            ulong value = 0;
            for (var shift = 0; shift < 64 && !rest.IsEmpty; shift += 7)
            {
                var part = rest[0];
                rest = rest[1..];
                value |= (ulong)(part & 0x7f) << shift;
                if (part < 0x80)
                    return value;
            }
            throw Malformed(keyId);
        }
    }
}
