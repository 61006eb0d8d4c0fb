using System.Text;
using PiiMasking.Tink;

namespace PiiMasking.MaskingService.Audit;

/// <summary>
/// Keyed fingerprints of what was revealed: whoever has the integrity keyset and a token can find who asked for it, and the audit by itself
/// says nothing about tokens.
/// </summary>
internal static class Fingerprints
{
    /// <summary>Of one token of a field.</summary>
    /// <returns>37 bytes: a MAC in Tink's format.</returns>
    public static byte[] OfToken(Mac mac, string field, string token) =>
        mac.Compute(Encoding.UTF8.GetBytes($"token-fingerprint/1\0{field}\0{token}"));

    /// <summary>Of several, one after the other.</summary>
    public static byte[] OfTokens(Mac mac, string field, IEnumerable<string> tokens) =>
        [.. tokens.SelectMany(token => OfToken(mac, field, token))];

    /// <summary>Of a user, under one of the enabled keys: that is all that stays of one who was erased.</summary>
    public static byte[] OfUser(Mac mac, uint keyId, string userId) =>
        mac.Compute(keyId, Encoding.UTF8.GetBytes($"user-fingerprint/1\0{userId}"));

    /// <summary>Of a message in quarantine.</summary>
    public static byte[] OfMessage(Mac mac, Guid messageId) => mac.Compute(Encoding.UTF8.GetBytes($"message-fingerprint/1\0{messageId:D}"));
}
