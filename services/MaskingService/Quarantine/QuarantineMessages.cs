using System.ComponentModel;
using System.Text.Json.Serialization;
using PiiMasking.Contracts;
using PiiMasking.Logins;
using PiiMasking.MaskingService.People;

namespace PiiMasking.MaskingService.Quarantine;

/// <summary>A page of what is in quarantine.</summary>
internal sealed record QuarantinePage(
    [property: Description("Newest first")] IReadOnlyList<QuarantinedMessage> Messages,
    [property: Description("Send it as \"cursor\" for the next page; null at the end")] string? Next);

/// <summary>A message in quarantine, without its payload.</summary>
internal sealed record QuarantinedMessage(
    Guid MessageId,
    [property: Description("Why it is no login")] string Reason,
    [property: Description("The message's own time, if it has one")] DateTimeOffset? SentAt,
    DateTimeOffset QuarantinedAt,
    [property: Description("Size of the payload in bytes")] int Bytes);

/// <summary>Why somebody looks into a payload or deletes a message.</summary>
internal sealed record PayloadRequest(
    [property: Description("Why, for the audit")] string Reason,
    [property: Description("Where that was decided, for the audit")] string? Ticket = null);

/// <summary>What a producer sent.</summary>
internal sealed record PayloadResponse(
    [property: Description("The message exactly as it was sent: as text if it is UTF-8, else in base64")] Pii Payload,
    [property: Description("utf-8 or base64")] string Encoding,
    [property: Description("Number of the audit record of this answer")] long AuditRecord)
{
    /// <returns>A label: an answer is never printed.</returns>
    public override string ToString() => "[payload]";
}

/// <summary>What was deleted.</summary>
internal sealed record DeleteResponse([property: Description("Number of the audit record of this")] long AuditRecord);

/// <summary>Which messages to send through the rules again: exactly one of the first three.</summary>
internal sealed record ReplayRequest(
    [property: Description("Only this message")] Guid? MessageId = null,
    [property: Description("Only messages that are there for this reason, such as ip_not_an_address")] string? WithReason = null,
    [property: Description("True for all messages")] bool All = false,
    [property: Description("Why, for the audit")] string? Reason = null,
    [property: Description("Where that was decided, for the audit")] string? Ticket = null);

/// <summary>What became of the messages.</summary>
internal sealed record ReplayResponse(
    [property: Description("Stored as logins, with their original date")] int Stored,
    [property: Description("Stored before, or taken out by somebody else meanwhile")] int Repeated,
    [property: Description("Of users that were erased after it was sent: away, and not stored")] int Erased,
    [property: Description("Failed again and stay: how many, by their new reason")] IReadOnlyDictionary<string, int> Stayed,
    [property: Description("Stay, because their payload does not open: no key for it, or altered")] int Unreadable,
    [property: Description("Stay, because the database did not take them now")] int NotNow,
    [property: Description("Number of the audit record of the result")] long AuditRecord);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    AllowDuplicateProperties = false,
    Converters = [typeof(PiiConverter)])]
[JsonSerializable(typeof(QuarantinePage))]
[JsonSerializable(typeof(PayloadRequest))]
[JsonSerializable(typeof(PayloadResponse))]
[JsonSerializable(typeof(DeleteResponse))]
[JsonSerializable(typeof(ReplayRequest))]
[JsonSerializable(typeof(ReplayResponse))]
internal sealed partial class QuarantineJson : JsonSerializerContext
{
    /// <summary>For answers.</summary>
    public static QuarantineJson Answers => field ??= new(PeopleJson.Readable(Default.Options));
}
