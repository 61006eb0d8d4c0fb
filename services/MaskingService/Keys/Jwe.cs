using System.Buffers;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace PiiMasking.MaskingService.Keys;

/// <summary>A wrapped keyset: JWE Compact Serialization (RFC 7516) with RSA-OAEP-256 and A256GCM, and nothing else.</summary>
/// <remarks>
/// Only the header may explain itself. Everything after it fails with one and the same sentence. That RSA wrapping proves
/// nothing about who wrapped is what the canary in the database is for.
/// </remarks>
internal sealed class Jwe
{
    public const string KeyWrapAlgorithm = "RSA-OAEP-256";
    public const string ContentAlgorithm = "A256GCM";

    /// <summary>What everything after the header says when it fails.</summary>
    public const string DoesNotOpen =
        "The wrapped keyset does not open: it was altered, or wrapped for another key than its kid names. Wrap the keyset again "
            + "with 'keyset wrap'.";

    private const int ContentKeyLength = 32;
    private const int IvLength = 12;
    private const int TagLength = 16;

    private readonly byte[] header;
    private readonly byte[] iv;
    private readonly byte[] ciphertext;
    private readonly byte[] tag;

    private Jwe(byte[] header, string keyId, byte[] encryptedKey, byte[] iv, byte[] ciphertext, byte[] tag)
    {
        this.header = header;
        this.iv = iv;
        this.ciphertext = ciphertext;
        this.tag = tag;
        KeyId = keyId;
        EncryptedKey = encryptedKey;
    }

    /// <summary>Names the key-encryption key. From stored data: never use it before it was checked.</summary>
    public string KeyId { get; }

    /// <summary>The content key, encrypted.</summary>
    public ReadOnlyMemory<byte> EncryptedKey { get; }

    /// <summary>Whether a text has the outer form of a JWE: five parts.</summary>
    public static bool LooksLikeOne(ReadOnlySpan<byte> text) => text.Count((byte)'.') == 4;

    /// <summary>Reads the parts and the header.</summary>
    /// <exception cref="KeySourceException">It is not such a JWE.</exception>
    public static Jwe Parse(ReadOnlySpan<byte> text)
    {
        Span<Range> parts = stackalloc Range[6];
        var count = 0;
        foreach (var part in text.Split((byte)'.'))
        {
            if (count < parts.Length)
                parts[count] = part;
            count++;
        }
        if (count != 5)
            throw new KeySourceException("The secret is not a JWE of five parts; store what 'keyset wrap' prints, whole.");

        var keyId = ReadHeader(Decode(text[parts[0]]));
        return new Jwe(
            header: text[parts[0]].ToArray(),
            keyId,
            encryptedKey: Decode(text[parts[1]]),
            iv: Decode(text[parts[2]]),
            ciphertext: Decode(text[parts[3]]),
            tag: Decode(text[parts[4]]));
    }

    /// <summary>Opens the content.</summary>
    /// <param name="contentKey">What the key-encryption key made of <see cref="EncryptedKey"/>.</param>
    /// <returns>The content; the caller disposes it.</returns>
    /// <exception cref="KeySourceException">It does not open.</exception>
    public SecretBuffer Open(ReadOnlySpan<byte> contentKey)
    {
        if (contentKey.Length != ContentKeyLength || iv.Length != IvLength || tag.Length != TagLength)
            throw new KeySourceException(DoesNotOpen);

        var content = new SecretBuffer(ciphertext.Length);
        try
        {
            using var gcm = new AesGcm(contentKey, TagLength);
            // The associated data is the header as it came, not as it would be written again (RFC 7516 section 5.2, step 15).
            gcm.Decrypt(iv, ciphertext, tag, content.Free.Span, header);
            content.Advance(ciphertext.Length);
            return content;
        }
        catch (AuthenticationTagMismatchException)
        {
            content.Dispose();
            throw new KeySourceException(DoesNotOpen);
        }
    }

    /// <summary>Wraps a text with the public key alone.</summary>
    /// <param name="text">The keyset's text.</param>
    /// <param name="publicKey">RSA, 2048 bits or more.</param>
    /// <param name="keyId">The key's URL with version.</param>
    /// <returns>The JWE as ASCII text.</returns>
    public static string Wrap(ReadOnlySpan<byte> text, RSA publicKey, string keyId)
    {
        var contentKey = GC.AllocateArray<byte>(ContentKeyLength, pinned: true);
        try
        {
            RandomNumberGenerator.Fill(contentKey);
            var header = Base64Url.EncodeToString(Header(keyId));
            var iv = RandomNumberGenerator.GetBytes(IvLength);
            var ciphertext = new byte[text.Length];
            var tag = new byte[TagLength];
            using (var gcm = new AesGcm(contentKey, TagLength))
                gcm.Encrypt(iv, text, ciphertext, tag, Encoding.ASCII.GetBytes(header));
            var encryptedKey = publicKey.Encrypt(contentKey, RSAEncryptionPadding.OaepSHA256);
            byte[][] parts = [encryptedKey, iv, ciphertext, tag];
            return string.Join('.', [header, .. parts.Select(part => Base64Url.EncodeToString(part))]);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(contentKey);
        }
    }

    private static byte[] Header(string keyId)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("alg", KeyWrapAlgorithm);
            json.WriteString("enc", ContentAlgorithm);
            json.WriteString("kid", keyId);
            json.WriteEndObject();
        }
        return buffer.ToArray();
    }

    private static string ReadHeader(byte[] header)
    {
        try
        {
            using var document = JsonDocument.Parse(header, new JsonDocumentOptions { AllowDuplicateProperties = false });
            return ReadHeader(document.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new KeySourceException("The JWE's header is not JSON, or has a member twice; store what 'keyset wrap' prints, whole.");
        }
    }

    private static string ReadHeader(JsonElement json)
    {
        if (json.ValueKind != JsonValueKind.Object)
            throw new KeySourceException("The JWE's header is not a JSON object; store what 'keyset wrap' prints, whole.");
        if (!IsText(json, "alg", KeyWrapAlgorithm) || !IsText(json, "enc", ContentAlgorithm))
            throw new KeySourceException($"The JWE does not use {KeyWrapAlgorithm} with {ContentAlgorithm}, the only algorithms "
                + "taken here; wrap the keyset with 'keyset wrap'.");
        if (json.TryGetProperty("zip", out _) || json.TryGetProperty("crit", out _))
            throw new KeySourceException("The JWE's header has zip or crit, which are not taken here; wrap the keyset with 'keyset wrap'.");
        return json.TryGetProperty("kid", out var kid) && kid.ValueKind == JsonValueKind.String
            ? kid.GetString()!
            : throw new KeySourceException("The JWE's header has no kid that names the key-encryption key; wrap the keyset with "
                + "'keyset wrap'.");
    }

    private static bool IsText(JsonElement json, string member, string expected) =>
        json.TryGetProperty(member, out var value) && value.ValueKind == JsonValueKind.String && value.ValueEquals(expected);

    /// <summary>Strict: .NET's reader takes padding and white space, and what they hide shows when the bytes are written again.</summary>
    private static byte[] Decode(ReadOnlySpan<byte> part)
    {
        var bytes = new byte[Base64Url.GetMaxDecodedLength(part.Length)];
        if (Base64Url.DecodeFromUtf8(part, bytes, out _, out var written) == OperationStatus.Done
            && part.SequenceEqual(Base64Url.EncodeToUtf8(bytes.AsSpan(0, written))))
        {
            return bytes[..written];
        }
        throw new KeySourceException("A part of the JWE is not base64url; store what 'keyset wrap' prints, whole and on one line.");
    }
}
