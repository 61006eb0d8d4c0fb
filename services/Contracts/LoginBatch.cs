using System.Text.Json.Serialization;
using PiiMasking.Logins;

namespace PiiMasking.Contracts;

/// <summary>
/// Body of <c>POST /v1/logins</c>: messages that the ingestion service received, each decided to be a login or a rejection.
/// </summary>
/// <param name="Messages">In any order; the answer names them by their position here.</param>
public sealed record LoginBatch(IReadOnlyList<LoginMessage> Messages)
{
    /// <summary>Route of the masking service that takes a batch.</summary>
    public const string Route = "/v1/logins";

    /// <summary>Most messages in one batch; a larger one is refused with 400.</summary>
    public const int MaxMessages = 10_000;
}

/// <summary>One message. Exactly one of <paramref name="Login"/> and <paramref name="Rejection"/> is set.</summary>
/// <param name="MessageId">Names the message over all its deliveries: the idempotency key.</param>
/// <param name="SentAt">
/// The message's own time, the same in every delivery; its UTC date is the login's <c>create_date</c>. Null where the broker gives an
/// identity but no time: the masking service then takes its own and remembers the id.
/// </param>
/// <param name="Login">The validated login.</param>
/// <param name="Rejection">Why there is no login, and the message's own bytes for the quarantine.</param>
public sealed record LoginMessage(Guid MessageId, DateTimeOffset? SentAt, Login? Login, Rejection? Rejection);

/// <summary>A message that is no valid login.</summary>
/// <param name="Reason">Reason code in snake_case, such as <c>ip_not_an_address</c>. Never text out of the message.</param>
/// <param name="Payload">The message's bytes, exactly as its producer sent them.</param>
/// <param name="UserIds">
/// Whose it is, as far as that can be read, so that it goes when that user is erased; empty if it does not say. Null where nobody has looked,
/// or where there are more than <see cref="MaxUserIds"/>: it is then looked for in the payload when a user is erased.
/// </param>
public sealed record Rejection(string Reason, ReadOnlyMemory<byte> Payload, IReadOnlyList<string>? UserIds = null)
{
    /// <summary>Most user ids of one message.</summary>
    public const int MaxUserIds = 16;

    /// <summary>Reason of a login that passed every rule and that the database refused all the same.</summary>
    public const string RefusedByStorage = "refused_by_storage";

    /// <returns>The reason only: the payload may hold personal data.</returns>
    public override string ToString() => Reason;
}

/// <summary>Answer to a <see cref="LoginBatch"/>: what became of each message, by its position.</summary>
/// <param name="Outcomes">As many as the batch had messages, in their order.</param>
public sealed record LoginBatchResult(IReadOnlyList<LoginOutcome> Outcomes);

/// <summary>What became of one message. Everything but <see cref="Retry"/> and <see cref="Refused"/> is durable and may be acknowledged.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<LoginOutcome>))]
public enum LoginOutcome
{
    /// <summary>Not durable: send it again later.</summary>
    [JsonStringEnumMemberName("retry")] Retry,

    /// <summary>The login was committed by this call.</summary>
    [JsonStringEnumMemberName("stored")] Stored,

    /// <summary>An earlier delivery of the same message was committed; nothing was added.</summary>
    [JsonStringEnumMemberName("repeated")] Repeated,

    /// <summary>The message was committed to the quarantine by this call.</summary>
    [JsonStringEnumMemberName("quarantined")] Quarantined,

    /// <summary>The user had been erased after the message was sent; nothing was stored.</summary>
    [JsonStringEnumMemberName("erased")] Erased,

    /// <summary>
    /// The database will never take this row. Send the message again as a <see cref="Rejection"/> with reason
    /// <see cref="Rejection.RefusedByStorage"/>, so that its exact bytes go to the quarantine.
    /// </summary>
    [JsonStringEnumMemberName("refused")] Refused,
}
