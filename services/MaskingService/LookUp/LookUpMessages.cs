using System.ComponentModel;
using System.Text.Json.Serialization;
using PiiMasking.Contracts;
using PiiMasking.Logins;
using PiiMasking.MaskingService.People;

namespace PiiMasking.MaskingService.LookUp;

/// <summary>Body of <c>POST /v1/logins/search</c>.</summary>
internal sealed record LookUpRequest(
    [property: Description("ip or device_id")] string Field,
    [property: Description("The value in the clear, in any spelling")] Pii Value,
    [property: Description("Why, for the audit")] string Reason,
    [property: Description("Where that was decided, for the audit")] string? Ticket = null,
    [property: Description("1 to 1,000")] int Limit = 100,
    [property: Description("\"next\" of the page before")] string? Cursor = null)
{
    public const int MaxLimit = 1_000;

    /// <returns>A label: a request with a value in it is never printed.</returns>
    public override string ToString() => "[look-up]";
}

/// <summary>The logins that have the value.</summary>
internal sealed record LookUpResponse(
    [property: Description("The masked value")] string Token,
    [property: Description("How many logins have it; null if there are more than 10,000")] int? Total,
    [property: Description("Newest first")] IReadOnlyList<FoundLogin> Logins,
    [property: Description("Send it as \"cursor\" for the next page, which is another look-up; null at the end")] string? Next,
    [property: Description("Number of the audit record of this answer")] long AuditRecord);

/// <summary>A login as it is stored.</summary>
internal sealed record FoundLogin(
    string UserId, string? DeviceType, string MaskedIp, string MaskedDeviceId, string? Locale, int? AppVersion, DateOnly CreateDate,
        Guid MessageId);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    AllowDuplicateProperties = false,
    Converters = [typeof(PiiConverter)])]
[JsonSerializable(typeof(LookUpRequest))]
[JsonSerializable(typeof(LookUpResponse))]
internal sealed partial class LookUpJson : JsonSerializerContext
{
    /// <summary>For answers.</summary>
    public static LookUpJson Answers => field ??= new(PeopleJson.Readable(Default.Options));
}
