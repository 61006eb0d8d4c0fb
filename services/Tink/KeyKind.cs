namespace PiiMasking.Tink;

/// <summary>What a keyset is for: one keyset serves one primitive.</summary>
public enum KeyKind
{
    /// <summary>AES256_SIV: equal values under equal associated data give equal tokens (RFC 5297). Masks the fields.</summary>
    DeterministicAead,

    /// <summary>AES256_GCM with a random IV: equal values do not show. Seals the quarantine.</summary>
    Aead,

    /// <summary>HMAC-SHA256: proves that a record is ours and unaltered. Chains the audit trail.</summary>
    Mac,
}
