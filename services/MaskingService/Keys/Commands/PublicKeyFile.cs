using System.Buffers;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace PiiMasking.MaskingService.Keys.Commands;

/// <summary>The public half of a key-encryption key, from a file: PEM, a JWK, or what <c>az keyvault key show</c> prints.</summary>
internal static partial class PublicKeyFile
{
    private const int SmallestKeyBits = 2048;

    /// <param name="keyId">The key's URL with version, or null to take it from a JWK.</param>
    /// <returns>The key and its id; the caller disposes it.</returns>
    /// <exception cref="KeySourceException">There is no such key in the file, or no id for it.</exception>
    public static (RSA Key, string KeyId) Read(FileInfo file, string? keyId)
    {
        var text = File.ReadAllText(file.FullName);
        var key = RSA.Create();
        try
        {
            if (text.AsSpan().TrimStart().StartsWith("{"))
                keyId ??= ImportJwk(key, text);
            else
                key.ImportFromPem(text);
            if (key.KeySize < SmallestKeyBits)
                throw new KeySourceException($"The key has {key.KeySize} bits; take one with {SmallestKeyBits} or more.");
            if (keyId is null)
                throw new KeySourceException("A PEM file does not say which key it is. Give the key's URL with version as --kid "
                    + "(for a local development key any name, such as local).");
            if (!KeyIdPattern().IsMatch(keyId))
                throw new KeySourceException("The kid must be the key's URL with version, like "
                    + "https://contoso.vault.azure.net/keys/masking-kek/0123456789abcdef0123456789abcdef, or for a local key a "
                    + "plain name.");
            return (key, keyId);
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException or JsonException or InvalidOperationException)
        {
            key.Dispose();
            throw new KeySourceException($"{file.FullName} holds no RSA public key: PEM, a JWK, or what 'az keyvault key show' prints.");
        }
        catch (KeySourceException)
        {
            key.Dispose();
            throw;
        }
    }

    private static string? ImportJwk(RSA key, string text)
    {
        using var json = JsonDocument.Parse(text);
        var jwk = json.RootElement.TryGetProperty("key", out var inner) ? inner : json.RootElement;
        key.ImportParameters(new RSAParameters
        {
            Modulus = Decode(jwk.GetProperty("n").GetString()),
            Exponent = Decode(jwk.GetProperty("e").GetString()),
        });
        return jwk.TryGetProperty("kid", out var kid) ? kid.GetString() : null;
    }

    /// <summary><c>az</c> prints n and e in base64url, or, in older versions, in base64.</summary>
    private static byte[] Decode(string? text) =>
        Base64Url.DecodeFromChars((text ?? "").Replace('+', '-').Replace('/', '_').TrimEnd('='));

    [GeneratedRegex(@"\A(https://[a-z0-9.-]+/keys/[0-9a-zA-Z-]{1,127}/[0-9a-fA-F]{32}|[0-9a-zA-Z._-]{1,127})\z")]
    private static partial Regex KeyIdPattern();
}
