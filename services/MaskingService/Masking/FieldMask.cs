using System.Security.Cryptography;
using System.Text;
using PiiMasking.Logins;
using PiiMasking.MaskingService.Keys;
using PiiMasking.Tink;

namespace PiiMasking.MaskingService.Masking;

/// <summary>
/// From a field's canonical value to the plaintext that is encrypted, and back. The associated data of a field is its logical name, fixed for
/// the life of the data.
/// </summary>
internal static class FieldMask
{
    /// <summary>Associated data of an address.</summary>
    public const string Ip = KeysetState.IpField;

    /// <summary>Associated data of a device id.</summary>
    public const string DeviceId = KeysetState.DeviceIdField;

    // The longest text of each family: a token's length then tells the family and nothing else.
    private const int Ipv4Width = 15;
    private const int Ipv6Width = 39;
    private const int MaxDeviceIdBytes = 128;

    // As wide as the columns.
    private const int MaxTokenCharacters = 256;

    /// <summary>Masks an address.</summary>
    /// <param name="cipher">For <see cref="Ip"/>.</param>
    /// <param name="keyId">An enabled key of the cipher's keyset.</param>
    /// <param name="ip">Canonical text, at most 39 characters.</param>
    /// <returns>The token as padded base64.</returns>
    public static string MaskIp(FieldCipher cipher, uint keyId, Pii ip)
    {
        var text = ip.Expose();
        Span<byte> plaintext = stackalloc byte[Ipv6Width];
        plaintext.Fill((byte)' ');
        Encoding.ASCII.GetBytes(text, plaintext);
        var token = cipher.EncryptToBase64(keyId, plaintext[..(text.Contains(':') ? Ipv6Width : Ipv4Width)]);
        CryptographicOperations.ZeroMemory(plaintext);
        return token;
    }

    /// <summary>Masks a device id.</summary>
    /// <param name="cipher">For <see cref="DeviceId"/>.</param>
    /// <param name="keyId">An enabled key of the cipher's keyset.</param>
    /// <param name="deviceId">Canonical text, at most 128 bytes of UTF-8.</param>
    /// <returns>The token as padded base64.</returns>
    public static string MaskDeviceId(FieldCipher cipher, uint keyId, Pii deviceId)
    {
        Span<byte> plaintext = stackalloc byte[MaxDeviceIdBytes];
        var length = Encoding.UTF8.GetBytes(deviceId.Expose(), plaintext);
        var token = cipher.EncryptToBase64(keyId, plaintext[..length]);
        CryptographicOperations.ZeroMemory(plaintext);
        return token;
    }

    /// <summary>Masks what a token of either field holds under another key.</summary>
    /// <param name="cipher">For the field.</param>
    /// <param name="keyId">An enabled key of the cipher's keyset.</param>
    /// <param name="token">Padded base64, under any enabled key.</param>
    /// <returns>The token under the key; null if the token does not open.</returns>
    public static string? MaskAgain(FieldCipher cipher, uint keyId, string token)
    {
        Span<byte> plaintext = stackalloc byte[MaxTokenCharacters / 4 * 3];
        if (token.Length > MaxTokenCharacters || !cipher.TryDecryptBase64(token, plaintext, out var length))
            return null;

        var masked = cipher.EncryptToBase64(keyId, plaintext[..length]);
        CryptographicOperations.ZeroMemory(plaintext);
        return masked;
    }

    /// <summary>Opens a token of either field.</summary>
    /// <param name="cipher">For the field.</param>
    /// <param name="field"><see cref="Ip"/> or <see cref="DeviceId"/>.</param>
    /// <param name="token">Padded base64, from anywhere.</param>
    /// <returns>The canonical value; null for everything that does not open, and nothing says why.</returns>
    public static Pii? TryOpen(FieldCipher cipher, string field, string token)
    {
        // Longer ones are not ours, and must not cost memory.
        if (token.Length > MaxTokenCharacters)
            return null;
        Span<byte> plaintext = stackalloc byte[MaxTokenCharacters / 4 * 3];
        if (!cipher.TryDecryptBase64(token, plaintext, out var length))
            return null;

        var value = plaintext[..length];
        var opened = new Pii(Encoding.UTF8.GetString(field == Ip ? value.TrimEnd((byte)' ') : value));
        CryptographicOperations.ZeroMemory(plaintext);
        return opened;
    }
}
