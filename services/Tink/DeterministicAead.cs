using System.Text;

namespace PiiMasking.Tink;

/// <summary>Deterministic AEAD: AES-SIV (RFC 5297) with 64-byte keys, in Tink's format with the TINK prefix.</summary>
/// <remarks>
/// <para>Whoever sees two tokens learns their lengths and whether their plaintexts were equal under equal associated data.</para>
/// <para>Safe to use from many threads at once. Disposing it wipes the keys; calls under way finish undisturbed, later ones
/// throw <see cref="ObjectDisposedException"/>.</para>
/// </remarks>
public sealed class DeterministicAead : IDisposable
{
    // Two different broken strings must not become one field.
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly Lock gate = new();
    private readonly Dictionary<string, FieldCipher> fields = new(StringComparer.Ordinal);
    private readonly (uint Id, AesSiv Siv)[] keys;
    private bool disposed;

    /// <summary>Sets up every enabled key once.</summary>
    /// <param name="keyset">A keyset of kind <see cref="KeyKind.DeterministicAead"/>. Its keys are copied; it may be disposed.</param>
    /// <exception cref="KeysetException">The keyset is of another kind.</exception>
    public DeterministicAead(Keyset keyset)
    {
        ArgumentNullException.ThrowIfNull(keyset);
        keyset.Require(KeyKind.DeterministicAead);
        PrimaryKeyId = keyset.PrimaryKeyId;
        keys = [.. keyset.EnabledKeys.Select(key => (key.Id, new AesSiv(key.Secret)))];
    }

    /// <summary>The key that <see cref="FieldCipher"/> callers name when nothing else decides.</summary>
    public uint PrimaryKeyId { get; }

    /// <summary>Whether this is an enabled key, so that tokens can be made and opened with it.</summary>
    public bool HasKey(uint keyId)
    {
        foreach (var (id, _) in keys)
        {
            if (id == keyId)
                return true;
        }
        return false;
    }

    /// <summary>The cipher for one field. What depends on key and field only is computed here, once, and kept.</summary>
    /// <param name="associatedData">Logical field name, such as <c>ip</c>: authenticated, not hidden, taken as UTF-8. The same
    /// name gives the same cipher.</param>
    /// <exception cref="ObjectDisposedException">This is disposed.</exception>
    public FieldCipher ForField(string associatedData)
    {
        ArgumentNullException.ThrowIfNull(associatedData);
        return ForField(StrictUtf8.GetBytes(associatedData));
    }

    /// <summary>The cipher for one field, whose name may be any bytes.</summary>
    /// <param name="associatedData">Authenticated, not hidden. The same bytes give the same cipher.</param>
    /// <exception cref="ObjectDisposedException">This is disposed.</exception>
    public FieldCipher ForField(ReadOnlySpan<byte> associatedData)
    {
        // Latin-1 gives every byte a character of its own.
        var name = Encoding.Latin1.GetString(associatedData);
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            if (!fields.TryGetValue(name, out var field))
            {
                var bound = new (uint Id, AesSiv.Bound Cipher)[keys.Length];
                for (var i = 0; i < keys.Length; i++)
                    bound[i] = (keys[i].Id, keys[i].Siv.Bind(associatedData));
                fields.Add(name, field = new FieldCipher(bound));
            }
            return field;
        }
    }

    /// <summary>Wipes the keys and what was derived from them.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            if (disposed)
                return;
            disposed = true;
            foreach (var (_, siv) in keys)
                siv.Dispose();
            foreach (var field in fields.Values)
                field.Wipe();
        }
    }
}
