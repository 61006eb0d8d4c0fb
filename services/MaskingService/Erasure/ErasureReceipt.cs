using System.ComponentModel;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using PiiMasking.MaskingService.People;
using PiiMasking.Tink;

namespace PiiMasking.MaskingService.Erasure;

/// <summary>Body of <c>POST /v1/erasures</c>.</summary>
internal sealed record ErasureRequest(
    [property: JsonPropertyName("user_id"), Description("As the user's logins have it, to the letter")] string UserId,
    [property: Description("Why, for the audit")] string Reason,
    [property: Description("Where that was decided, for the audit")] string? Ticket = null)
{
    /// <returns>A label: a user is never printed.</returns>
    public override string ToString() => "[erasure]";
}

/// <summary>What an erasure did: the answer to it, and all that is needed to do it again on a restored database.</summary>
internal sealed record ErasureReceipt(
    Guid ErasureId,
    [property: Description("HMAC of the user id under the integrity keyset")] byte[] Fingerprint,
    [property: Description("Key of the integrity keyset that made it")] uint KeyId,
    [property: Description("What was sent up to this time is not stored again")] DateTimeOffset ErasedAt,
    [property: Description("When all of it was gone; null as long as it is not")] DateTimeOffset? CompletedAt,
    [property: Description("Logins that were deleted")] long Logins,
    [property: Description("Messages in quarantine that were deleted")] long Quarantined,
    [property: Description("Messages in quarantine that did not open, and stay: whose they are cannot be said")] long Unopened,
    [property: Description("Messages in quarantine that open and name no user, and stay: whose they are cannot be said")] long Unattributed,
    [property: Description("Proves that this service made the receipt; null as long as it is not completed")] byte[]? Mac)
{
    /// <summary>The receipt with its proof.</summary>
    public ErasureReceipt Sign(Mac mac) => this with { Mac = mac.Compute(Signed()) };

    /// <summary>Whether it is a receipt that was made with this keyset and was not altered.</summary>
    public bool IsGenuine(Mac mac) => CompletedAt is not null && Mac is not null && mac.Verify(Mac, Signed());

    /// <summary>One line of JSON.</summary>
    public string ToLine() => JsonSerializer.Serialize(this, ErasureJson.Answers.ErasureReceipt);

    // Every part is a number, a time or base64, so that the lines cannot be taken for others.
    private byte[] Signed() => Encoding.ASCII.GetBytes(string.Create(
        CultureInfo.InvariantCulture,
        $"""
        erasure-receipt/1
        {ErasureId:D}
        {Convert.ToBase64String(Fingerprint)}
        {KeyId}
        {ErasedAt.UtcTicks}
        {CompletedAt?.UtcTicks}
        {Logins}
        {Quarantined}
        {Unopened}
        {Unattributed}
        """));
}

/// <summary>A stretch of the erasures.</summary>
internal sealed record ErasurePage(
    [property: Description("In the order of their times")] IReadOnlyList<ErasureReceipt> Erasures,
    [property: Description("Send it as \"cursor\" for the next page; null at the end")] string? Next);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    AllowDuplicateProperties = false)]
[JsonSerializable(typeof(ErasureRequest))]
[JsonSerializable(typeof(ErasureReceipt))]
[JsonSerializable(typeof(ErasurePage))]
internal sealed partial class ErasureJson : JsonSerializerContext
{
    /// <summary>For answers.</summary>
    public static ErasureJson Answers => field ??= new(PeopleJson.Readable(Default.Options));
}
