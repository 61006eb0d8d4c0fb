using PiiMasking.MaskingService.Keys;
using PiiMasking.Tink;

namespace PiiMasking.MaskingService.Masking;

/// <summary>
/// A known plaintext under a key: whether a keyset belongs to a database shows before it makes the first token there. The text says
/// nothing, so the canaries need no protection.
/// </summary>
internal static class Canary
{
    private const string Masking = "masking";
    private const string Quarantine = "quarantine";

    /// <summary>The keysets that have canaries, by the names they have in the database.</summary>
    public static IReadOnlyList<string> Keysets { get; } = [Masking, Quarantine];

    private static ReadOnlySpan<byte> Text => "canary"u8;

    /// <summary>One for each enabled masking key, and one for the quarantine's primary: the only key of it that seals.</summary>
    public static IEnumerable<(string Keyset, uint KeyId, byte[] Token)> Make(KeysetState keys)
    {
        foreach (var key in keys.Masking.Keys.Where(key => key.Status == KeyStatus.Enabled))
        {
            yield return (Masking, key.Id, OfMaskingKey(keys, key.Id));
        }

        yield return (Quarantine, keys.Quarantine.PrimaryKeyId, keys.Quarantine.Encrypt(Text, Text));
    }

    /// <summary>That of an enabled masking key.</summary>
    public static byte[] OfMaskingKey(KeysetState keys, uint keyId)
    {
        var token = new byte[FieldCipher.TokenLength(Text.Length)];
        keys.Canary.Encrypt(keyId, Text, token);
        return token;
    }

    /// <summary>Whether one of the two keysets can open what was made with a key.</summary>
    public static bool HasEnabledKey(KeysetState keys, string keyset, uint keyId) =>
        (keyset == Masking ? keys.Masking : keys.QuarantineKeyset).Keys.Any(key => key.Id == keyId && key.Status == KeyStatus.Enabled);

    /// <summary>Whether a canary opens.</summary>
    public static bool Opens(KeysetState keys, string keyset, byte[] token)
    {
        var plaintext = new byte[token.Length];
        return keyset == Masking
            ? keys.Canary.TryDecrypt(token, plaintext, out var length) && Text.SequenceEqual(plaintext.AsSpan(0, length))
            : keys.Quarantine.TryDecrypt(token, Text, out var opened) && Text.SequenceEqual(opened);
    }
}
