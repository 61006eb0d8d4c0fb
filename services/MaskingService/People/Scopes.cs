using System.Security.Claims;

namespace PiiMasking.MaskingService.People;

/// <summary>What a bearer token may allow: one scope a kind of work.</summary>
internal static class Scopes
{
    /// <summary>See values in the clear, also payloads in quarantine.</summary>
    public const string Reveal = "pii.reveal";

    /// <summary>Find the logins of a value that one knows.</summary>
    public const string LookUp = "pii.lookup";

    /// <summary>See which tokens occur how often.</summary>
    public const string Duplicates = "pii.duplicates";

    /// <summary>List, replay and delete what is in quarantine.</summary>
    public const string Quarantine = "pii.quarantine";

    /// <summary>Read the audit.</summary>
    public const string Audit = "pii.audit";

    /// <summary>Erase a user, and see what was erased.</summary>
    public const string Erase = "pii.erase";

    /// <summary>See how far a rotation of keys is.</summary>
    public const string Rotation = "pii.rotation";

    public static IReadOnlyList<string> All { get; } = [Reveal, LookUp, Duplicates, Quarantine, Audit, Erase, Rotation];

    /// <summary>Whether a token has a scope: in <c>scope</c> (RFC 8693) or <c>scp</c>, as one text with spaces or as several
    /// claims.</summary>
    public static bool Has(ClaimsPrincipal user, string scope) =>
        user.Claims.Where(claim => claim.Type is "scope" or "scp").Any(claim => claim.Value.Split(' ').Contains(scope));
}
