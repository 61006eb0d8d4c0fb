namespace PiiMasking.Tink;

/// <summary>Which key a token says that it was made with.</summary>
/// <remarks>A claim, no more: only opening the token proves it.</remarks>
public static class TokenKeyId
{
    // The first eight characters are the first six bytes; the prefix has five.
    private const int PrefixCharacters = 8;

    /// <summary>Reads the key id in front of a token.</summary>
    /// <param name="token">The token's bytes.</param>
    /// <param name="keyId">The key id, or 0.</param>
    /// <returns>False where there is no TINK prefix: too short, or another first byte.</returns>
    public static bool TryRead(ReadOnlySpan<byte> token, out uint keyId) => TokenPrefix.TryRead(token, out keyId);

    /// <summary>Reads the key id in front of a token that is stored as base64.</summary>
    /// <param name="token">The token in standard base64; only its first eight characters are looked at.</param>
    /// <param name="keyId">The key id, or 0.</param>
    /// <returns>False where there is no TINK prefix.</returns>
    public static bool TryReadBase64(ReadOnlySpan<char> token, out uint keyId)
    {
        keyId = 0;
        Span<byte> start = stackalloc byte[PrefixCharacters / 4 * 3];
        return token.Length >= PrefixCharacters
            && Convert.TryFromBase64Chars(token[..PrefixCharacters], start, out var written)
            && TokenPrefix.TryRead(start[..written], out keyId);
    }
}
