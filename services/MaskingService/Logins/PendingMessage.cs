using PiiMasking.Contracts;
using PiiMasking.Logins;

namespace PiiMasking.MaskingService.Logins;

/// <summary>The masked fields of a login.</summary>
/// <param name="KeyId">The key that they are under.</param>
/// <param name="Ip">Token of the address.</param>
/// <param name="DeviceId">Token of the device id.</param>
internal sealed record LoginTokens(uint KeyId, string Ip, string DeviceId);

/// <summary>One message on its way into a transaction, with what masking made of it.</summary>
/// <param name="message">As ingestion sent it: either a login or a rejection.</param>
/// <param name="arrivedAt">When it came to this service for the first time, as far as is known.</param>
internal sealed class PendingMessage(LoginMessage message, DateTimeOffset arrivedAt)
{
    public Guid MessageId => message.MessageId;

    public DateTimeOffset? SentAt => message.SentAt;

    public DateTimeOffset ArrivedAt => arrivedAt;

    /// <summary>UTC date of the message's own time, else of its arrival.</summary>
    public DateOnly CreateDate { get; } = DateOnly.FromDateTime((message.SentAt ?? arrivedAt).UtcDateTime);

    /// <summary>Set if this is a login. It stays until the commit, for the case that the key changes under it.</summary>
    public Login? Login => message.Login;

    /// <summary>Set if this is a rejection.</summary>
    public Rejection? Rejection => message.Rejection;

    /// <summary>Tokens of the login for user_logins; null before the first masking.</summary>
    public LoginTokens? Masked { get; set; }

    /// <summary>Tokens of the login for user_logins_shadow; null unless it was masked while a rotation ran.</summary>
    public LoginTokens? Shadow { get; set; }

    /// <summary>The rejection's payload, sealed.</summary>
    public byte[] SealedPayload { get; set; } = [];

    /// <summary>Fingerprints of the rejection's users, one after the other; null where they are not known or cannot be made.</summary>
    public byte[]? UserFingerprints { get; set; }

    /// <summary>Key of the integrity keyset that made them.</summary>
    public uint? FingerprintKeyId { get; set; }

    /// <summary>What became of it. <see cref="LoginOutcome.Retry"/> until something durable happened.</summary>
    public LoginOutcome Outcome { get; set; } = LoginOutcome.Retry;
}
