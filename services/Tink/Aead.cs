using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace PiiMasking.Tink;

/// <summary>AEAD: AES-256-GCM with a random IV, in Tink's format with the TINK prefix.</summary>
/// <remarks>
/// <para>A ciphertext is 0x01, the key id (4 bytes, big-endian), the IV (12 bytes), the ciphertext and the tag (16 bytes): 33
/// bytes more than the plaintext. Equal plaintexts do not show.</para>
/// <para>At most 2^32 messages under one key (NIST SP 800-38D section 8.3): rotate long before. Safe to use from many threads
/// at once.</para>
/// </remarks>
public sealed class Aead : IDisposable
{
    private const int IvLength = 12;
    private const int TagLength = 16;
    private const int Overhead = TokenPrefix.Length + IvLength + TagLength;

    private readonly (uint Id, byte[] Key)[] keys;
    private volatile bool disposed;

    /// <summary>Takes every enabled key.</summary>
    /// <param name="keyset">A keyset of kind <see cref="KeyKind.Aead"/>. Its keys are copied; it may be disposed.</param>
    /// <exception cref="KeysetException">The keyset is of another kind.</exception>
    public Aead(Keyset keyset)
    {
        ArgumentNullException.ThrowIfNull(keyset);
        keyset.Require(KeyKind.Aead);
        PrimaryKeyId = keyset.PrimaryKeyId;
        keys = [.. keyset.EnabledKeys.Select(key => (key.Id, PinnedBytes.CopyOf(key.Secret)))];
    }

    /// <summary>The key that seals.</summary>
    public uint PrimaryKeyId { get; }

    /// <summary>Encrypts under the primary key with a fresh random IV.</summary>
    /// <param name="plaintext">Any bytes.</param>
    /// <param name="associatedData">What the ciphertext belongs to, such as its row: authenticated, not hidden.</param>
    /// <returns>33 bytes more than the plaintext.</returns>
    public byte[] Encrypt(ReadOnlySpan<byte> plaintext, ReadOnlySpan<byte> associatedData)
    {
        var ciphertext = new byte[Overhead + plaintext.Length];
        var output = ciphertext.AsSpan();
        TokenPrefix.Write(PrimaryKeyId, output);
        var iv = output.Slice(TokenPrefix.Length, IvLength);
        RandomNumberGenerator.Fill(iv);
        using (var gcm = new AesGcm(Find(PrimaryKeyId)!, TagLength))
            gcm.Encrypt(iv, plaintext, output[(TokenPrefix.Length + IvLength)..^TagLength], output[^TagLength..], associatedData);
        ThrowIfDisposed();
        return ciphertext;
    }

    /// <summary>Opens a ciphertext.</summary>
    /// <param name="ciphertext">The ciphertext, from anywhere.</param>
    /// <param name="associatedData">What it was encrypted with.</param>
    /// <param name="plaintext">The plaintext; the caller wipes it.</param>
    /// <returns>False for everything that does not open; nothing says why.</returns>
    public bool TryDecrypt(
        ReadOnlySpan<byte> ciphertext, ReadOnlySpan<byte> associatedData, [NotNullWhen(true)] out byte[]? plaintext)
    {
        plaintext = null;
        if (ciphertext.Length < Overhead || !TokenPrefix.TryRead(ciphertext, out var keyId) || Find(keyId) is not { } key)
            return false;

        var opened = new byte[ciphertext.Length - Overhead];
        try
        {
            using var gcm = new AesGcm(key, TagLength);
            gcm.Decrypt(
                ciphertext.Slice(TokenPrefix.Length, IvLength),
                ciphertext[(TokenPrefix.Length + IvLength)..^TagLength],
                ciphertext[^TagLength..],
                opened,
                associatedData);
        }
        catch (AuthenticationTagMismatchException)
        {
            CryptographicOperations.ZeroMemory(opened);
            ThrowIfDisposed();
            return false;
        }
        ThrowIfDisposed();
        plaintext = opened;
        return true;
    }

    /// <summary>Wipes the keys.</summary>
    public void Dispose()
    {
        disposed = true;
        Interlocked.MemoryBarrier();
        foreach (var (_, key) in keys)
            CryptographicOperations.ZeroMemory(key);
    }

    /// <summary>After the key was used: a result that was made while it was being wiped must not get out.</summary>
    private void ThrowIfDisposed()
    {
        Interlocked.MemoryBarrier();
        ObjectDisposedException.ThrowIf(disposed, this);
    }

    private byte[]? Find(uint keyId) => Array.Find(keys, key => key.Id == keyId).Key;
}
