using System.Buffers;
using System.Security.Cryptography;
using System.Text.Json;

namespace PiiMasking.Tink;

/// <summary>Writes a keyset in Tink's JSON format.</summary>
internal static class KeysetWriter
{
    // Ids, names and punctuation of one key; the type's name and the value come on top.
    private const int KeyOverhead = 256;

    public static byte[] Write(Keyset keyset)
    {
        var space = KeyOverhead;
        foreach (var key in keyset.AllKeys)
            space += KeyOverhead + (6 * key.TypeUrl.Length) + (2 * key.Secret.Length);

        var text = new PinnedWriter(space);
        try
        {
            using (var json = new Utf8JsonWriter(text))
                Write(json, keyset);
            return PinnedBytes.CopyOf(text.Written);
        }
        finally
        {
            text.Wipe();
        }
    }

    public static string Name(KeyStatus status) => status switch
    {
        KeyStatus.Enabled => "ENABLED",
        KeyStatus.Disabled => "DISABLED",
        _ => "DESTROYED",
    };

    private static void Write(Utf8JsonWriter json, Keyset keyset)
    {
        json.WriteStartObject();
        json.WriteNumber("primaryKeyId", keyset.PrimaryKeyId);
        json.WriteStartArray("key");
        foreach (var key in keyset.AllKeys)
        {
            json.WriteStartObject();
            json.WriteStartObject("keyData");
            json.WriteString("typeUrl", key.TypeUrl);
            WriteValue(json, key);
            json.WriteString("keyMaterialType", key.MaterialType);
            json.WriteEndObject();
            json.WriteString("status", Name(key.Status));
            json.WriteNumber("keyId", key.Id);
            json.WriteString("outputPrefixType", key.PrefixType);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteValue(Utf8JsonWriter json, Keyset.Key key)
    {
        var secret = key.Status == KeyStatus.Destroyed && key.Kind is { } destroyed
            ? new byte[KeyProto.NewKeyLength(destroyed)]
            : key.Secret;
        var value = key.Kind is { } kind ? KeyProto.Write(kind, secret, key.TagLength) : PinnedBytes.CopyOf(secret);
        try
        {
            json.WriteBase64String("value", value);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(value);
        }
    }

    /// <summary>Fixed space in pinned memory, so that a growing buffer leaves no copies of keys behind.</summary>
    private sealed class PinnedWriter(int space) : IBufferWriter<byte>
    {
        private readonly byte[] buffer = PinnedBytes.Allocate(space);
        private int written;

        public ReadOnlySpan<byte> Written => buffer.AsSpan(0, written);

        public void Advance(int count) => written += count;

        public Memory<byte> GetMemory(int sizeHint = 0) => buffer.AsMemory(written);

        public Span<byte> GetSpan(int sizeHint = 0) => buffer.AsSpan(written);

        public void Wipe() => CryptographicOperations.ZeroMemory(buffer);
    }
}
