using System.Security.Cryptography;

namespace PiiMasking.Tink;

/// <summary>MAC: HMAC-SHA256 in Tink's format with the TINK prefix.</summary>
/// <remarks>A MAC is 0x01, the key id (4 bytes, big-endian) and the tag, 32 bytes for keysets made here. Safe to use from many
/// threads at once.</remarks>
public sealed class Mac : IDisposable
{
    private readonly (uint Id, int TagLength, byte[] Key)[] keys;
    private volatile bool disposed;

    /// <summary>Takes every enabled key.</summary>
    /// <param name="keyset">A keyset of kind <see cref="KeyKind.Mac"/>. Its keys are copied; it may be disposed.</param>
    /// <exception cref="KeysetException">The keyset is of another kind.</exception>
    public Mac(Keyset keyset)
    {
        ArgumentNullException.ThrowIfNull(keyset);
        keyset.Require(KeyKind.Mac);
        PrimaryKeyId = keyset.PrimaryKeyId;
        keys = [.. keyset.EnabledKeys.Select(key => (key.Id, key.TagLength, PinnedBytes.CopyOf(key.Secret)))];
    }

    /// <summary>The key that computes.</summary>
    public uint PrimaryKeyId { get; }

    /// <summary>The enabled keys: what was computed under one of them verifies.</summary>
    public IEnumerable<uint> KeyIds => keys.Select(key => key.Id);

    /// <summary>Computes the MAC of some bytes under the primary key.</summary>
    public byte[] Compute(ReadOnlySpan<byte> data) => Compute(PrimaryKeyId, data);

    /// <summary>Computes the MAC of some bytes under a key of one's choice: to find what was computed before the primary changed.</summary>
    /// <exception cref="ArgumentException">The key is not an enabled one.</exception>
    public byte[] Compute(uint keyId, ReadOnlySpan<byte> data)
    {
        var chosen = Array.Find(keys, key => key.Id == keyId);
        if (chosen.Key is null)
            throw new ArgumentException($"Key {keyId} is not an enabled key of this keyset.", nameof(keyId));
        var mac = new byte[TokenPrefix.Length + chosen.TagLength];
        TokenPrefix.Write(keyId, mac);
        Span<byte> tag = stackalloc byte[HMACSHA256.HashSizeInBytes];
        Hash(chosen.Key, data, tag);
        tag[..chosen.TagLength].CopyTo(mac.AsSpan(TokenPrefix.Length));
        return mac;
    }

    /// <summary>Whether a MAC was computed over these bytes under an enabled key.</summary>
    /// <returns>False for everything that does not verify; nothing says why.</returns>
    public bool Verify(ReadOnlySpan<byte> mac, ReadOnlySpan<byte> data)
    {
        if (!TokenPrefix.TryRead(mac, out var keyId) || Array.Find(keys, key => key.Id == keyId) is not { Key: not null } key)
            return false;

        Span<byte> tag = stackalloc byte[HMACSHA256.HashSizeInBytes];
        Hash(key.Key, data, tag);
        return CryptographicOperations.FixedTimeEquals(tag[..key.TagLength], mac[TokenPrefix.Length..]);
    }

    /// <summary>Wipes the keys.</summary>
    public void Dispose()
    {
        disposed = true;
        Interlocked.MemoryBarrier();
        foreach (var (_, _, key) in keys)
            CryptographicOperations.ZeroMemory(key);
    }

    private void Hash(byte[] key, ReadOnlySpan<byte> data, Span<byte> tag)
    {
        HMACSHA256.HashData(key, data, tag);

        // A tag that was made while the key was being wiped must not get out.
        Interlocked.MemoryBarrier();
        ObjectDisposedException.ThrowIf(disposed, this);
    }
}
