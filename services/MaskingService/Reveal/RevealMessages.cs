using System.ComponentModel;
using System.Text.Json.Serialization;
using PiiMasking.Contracts;
using PiiMasking.Logins;
using PiiMasking.MaskingService.People;

namespace PiiMasking.MaskingService.Reveal;

/// <summary>Body of <c>POST /v1/reveal</c>.</summary>
internal sealed record RevealRequest(
    [property: Description("ip or device_id")] string Field,
    [property: Description("1 to 1,000 tokens, as they stand in the column")] IReadOnlyList<string> Tokens,
    [property: Description("Why, for the audit")] string Reason,
    [property: Description("Where that was decided, for the audit")] string? Ticket = null,
    [property: Description(
        "Answer the tokens that open even if others do not; otherwise one that does not open refuses all")] bool Partial = false)
{
    /// <summary>Most tokens in one request.</summary>
    public const int MaxTokens = 1_000;
}

/// <summary>Answer: the values, by the position of their tokens.</summary>
internal sealed record RevealResponse(
    [property: Description("In the order of the tokens; null where one did not open")] IReadOnlyList<Pii?> Values,
    [property: Description("Zero-based positions of the tokens that did not open; empty unless partial")] IReadOnlyList<int> Refused,
    [property: Description("Number of the audit record of this answer")] long AuditRecord)
{
    /// <returns>A label: an answer is never printed.</returns>
    public override string ToString() => "[reveal]";
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    AllowDuplicateProperties = false,
    Converters = [typeof(PiiConverter)])]
[JsonSerializable(typeof(RevealRequest))]
[JsonSerializable(typeof(RevealResponse))]
internal sealed partial class RevealJson : JsonSerializerContext
{
    /// <summary>For answers.</summary>
    public static RevealJson Answers => field ??= new(PeopleJson.Readable(Default.Options));
}
