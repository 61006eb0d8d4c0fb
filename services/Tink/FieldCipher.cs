namespace PiiMasking.Tink;

/// <summary>Makes and opens the tokens of one field.</summary>
/// <remarks>
/// <para>A token is 0x01, the key id (4 bytes, big-endian), the synthetic IV (16 bytes) and the ciphertext, which is as long as
/// the plaintext. As text it is standard base64 with padding (RFC 4648 section 4).</para>
/// <para>Safe to use from many threads at once. After its <see cref="DeterministicAead"/> is disposed, every call throws
/// <see cref="ObjectDisposedException"/>; none ever yields a token under a half-wiped key.</para>
/// </remarks>
public sealed class FieldCipher
{
    private const int Overhead = TokenPrefix.Length + AesSiv.IvLength;

    // A masked address or device id fits with room to spare; longer values take the heap.
    private const int StackBytes = 512;

    private readonly (uint Id, AesSiv.Bound Cipher)[] keys;

    internal FieldCipher((uint Id, AesSiv.Bound Cipher)[] keys) => this.keys = keys;

    /// <summary>The length in bytes of the token of a value.</summary>
    /// <param name="plaintextLength">The value's length in bytes.</param>
    public static int TokenLength(int plaintextLength) => Overhead + plaintextLength;

    /// <summary>Encrypts one value. The same key and value always give the same token.</summary>
    /// <param name="keyId">An enabled key. The caller names it, because the key that a table is under need not be the primary.</param>
    /// <param name="plaintext">The value in its canonical form, of any length.</param>
    /// <param name="token">Receives the token: exactly <see cref="TokenLength"/> bytes, not overlapping the plaintext.</param>
    /// <exception cref="ArgumentException">The key is not enabled, or the token's space has the wrong length or overlaps.</exception>
    public void Encrypt(uint keyId, ReadOnlySpan<byte> plaintext, Span<byte> token)
    {
        if (token.Length != TokenLength(plaintext.Length))
            throw new ArgumentException("A token is 21 bytes longer than its plaintext.", nameof(token));
        if (token.Overlaps(plaintext))
            throw new ArgumentException("A token cannot be written over its plaintext.", nameof(token));
        var cipher = Find(keyId) ?? throw new ArgumentException($"Key {keyId} is not an enabled key of this keyset.", nameof(keyId));

        TokenPrefix.Write(keyId, token);
        cipher.Seal(plaintext, token[TokenPrefix.Length..]);
    }

    /// <summary>Encrypts one value into the text that is stored.</summary>
    /// <param name="keyId">An enabled key; see <see cref="Encrypt"/>.</param>
    /// <param name="plaintext">The value in its canonical form.</param>
    /// <returns>The token in standard base64 with padding. Nothing else is allocated for values of up to 491 bytes.</returns>
    /// <exception cref="ArgumentException">The key is not an enabled one.</exception>
    public string EncryptToBase64(uint keyId, ReadOnlySpan<byte> plaintext)
    {
        var length = TokenLength(plaintext.Length);
        var token = length <= StackBytes ? stackalloc byte[StackBytes] : new byte[length];
        Encrypt(keyId, plaintext, token[..length]);
        return Convert.ToBase64String(token[..length]);
    }

    /// <summary>Opens a token.</summary>
    /// <param name="token">The token, from anywhere.</param>
    /// <param name="plaintext">Receives the value; at least as long as the token less 21 bytes. Nothing of the value is left in
    /// it when the token does not open.</param>
    /// <param name="length">The value's length in bytes, or 0.</param>
    /// <returns>False for everything that does not open, and nothing says why: another field's token, an altered one, a key that
    /// is unknown or not enabled.</returns>
    /// <exception cref="ArgumentException">There is too little space for the value.</exception>
    public bool TryDecrypt(ReadOnlySpan<byte> token, Span<byte> plaintext, out int length)
    {
        length = 0;
        if (token.Length < Overhead || !TokenPrefix.TryRead(token, out var keyId) || Find(keyId) is not { } cipher)
            return false;
        if (plaintext.Length < token.Length - Overhead)
            throw new ArgumentException("There is too little space for the plaintext: 21 bytes less than the token.", nameof(plaintext));
        if (plaintext.Overlaps(token))
            throw new ArgumentException("A plaintext cannot be written over its token.", nameof(plaintext));

        if (!cipher.TryOpen(token[TokenPrefix.Length..], plaintext))
            return false;
        length = token.Length - Overhead;
        return true;
    }

    /// <summary>Opens a token that is stored as text.</summary>
    /// <param name="token">Standard base64 with padding, strictly: one token has one text. White space, missing padding and stray
    /// bits at the end do not open.</param>
    /// <param name="plaintext">Receives the value; three quarters of the text's length always suffice.</param>
    /// <param name="length">The value's length in bytes, or 0.</param>
    /// <returns>False for everything that does not open; nothing says why.</returns>
    /// <exception cref="ArgumentException">There is too little space for the value.</exception>
    public bool TryDecryptBase64(ReadOnlySpan<char> token, Span<byte> plaintext, out int length)
    {
        var space = token.Length / 4 * 3;
        var bytes = space <= StackBytes ? stackalloc byte[StackBytes] : new byte[space];
        if (TryFromStrictBase64(token, bytes, out var written))
            return TryDecrypt(bytes[..written], plaintext, out length);

        length = 0;
        return false;
    }

    internal void Wipe()
    {
        foreach (var (_, cipher) in keys)
            cipher.Dispose();
    }

    /// <summary>.NET's reader takes white space and stray bits in its stride; writing the bytes again shows them.</summary>
    private static bool TryFromStrictBase64(ReadOnlySpan<char> text, Span<byte> bytes, out int written)
    {
        if (!Convert.TryFromBase64Chars(text, bytes, out written))
            return false;

        var canonical = text.Length <= StackBytes ? stackalloc char[StackBytes] : new char[text.Length];
        return Convert.TryToBase64Chars(bytes[..written], canonical, out var characters)
            && text.SequenceEqual(canonical[..characters]);
    }

    private AesSiv.Bound? Find(uint keyId)
    {
        // Two or three keys at most are ever enabled; a loop beats any dictionary.
        foreach (var (id, cipher) in keys)
        {
            if (id == keyId)
                return cipher;
        }
        return null;
    }
}
