namespace PiiMasking.Logins;

/// <summary>One user login, validated and in canonical form.</summary>
/// <param name="UserId">1 to 128 code points.</param>
/// <param name="DeviceType">At most 32 code points; null where the message had none.</param>
/// <param name="Ip">Canonical IPv4 or IPv6 text (RFC 5952), without padding.</param>
/// <param name="DeviceId">NFC, trimmed, 1 to 128 bytes of UTF-8.</param>
/// <param name="Locale">At most 32 code points; null where the message had none.</param>
/// <param name="AppVersion">major·1,000,000 + minor·1,000 + patch; null where the message had none.</param>
public sealed record Login(string UserId, string? DeviceType, Pii Ip, Pii DeviceId, string? Locale, int? AppVersion)
{
    /// <returns>A label: a login is never printed.</returns>
    public override string ToString() => "[login]";
}
