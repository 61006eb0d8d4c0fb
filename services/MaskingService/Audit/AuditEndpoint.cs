using System.ComponentModel;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http.HttpResults;
using PiiMasking.MaskingService.People;

namespace PiiMasking.MaskingService.Audit;

/// <summary>A stretch of the audit.</summary>
internal sealed record AuditPage(
    [property: Description("In the order of their numbers")] IReadOnlyList<AuditItem> Records,
    [property: Description("Send it as \"after\" for the records that follow; null at the end")] long? Next);

/// <summary>One record.</summary>
internal sealed record AuditItem(
    long Number, DateTimeOffset RecordedAt, string Action, string Outcome, string? Detail, string? Subject, string? Client, string? Address,
    string? Reason, string? Ticket, string? Field, string? Target, int Tokens, int Charged, int ChargedToday,
    [property: Description("37 bytes each, one after the other: HMACs of the tokens or message ids")] byte[] Fingerprints,
    [property: Description("Keys of the tokens, separated by commas")] string KeyIds,
    [property: Description("How often it happened, where that was only counted")] int Occurrences,
    [property: Description("Chains the record to the one before it")] byte[] Mac);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(AuditPage))]
internal sealed partial class AuditJson : JsonSerializerContext
{
    /// <summary>For answers.</summary>
    public static AuditJson Answers => field ??= new(PeopleJson.Readable(Default.Options));
}

/// <summary><c>GET /v1/audit</c>, for auditors.</summary>
internal static class AuditEndpoint
{
    private const int MaxCount = 1_000;

    public static void MapAudit(this IEndpointRouteBuilder routes) =>
        routes.MapGet("/v1/audit", ReadAsync)
            .ForPeople(AuditAction.Audit, Scopes.Audit)
            .Produces<AuditPage>()
            .ProducesProblem(StatusCodes.Status400BadRequest)
            .WithName("audit")
            .WithTags("Audit")
            .WithSummary("Reads the audit")
            .WithDescription("Records by number, oldest first. That they are what was written is proved by 'MaskingService audit verify'. "
                + "Scope pii.audit.");

    private static async Task<Results<JsonHttpResult<AuditPage>, ProblemHttpResult>> ReadAsync(
        PeopleDatabase database, CancellationToken cancellation,
        [Description("Only records with a higher number")] long after = 0,
        [Description("1 to 1,000")] int limit = 100,
        [Description("Only of this subject")] string? subject = null,
        [Description("Only of this action")] string? action = null)
    {
        if (limit is < 1 or > MaxCount)
            return TypedResults.Problem($"The limit must be 1 to {MaxCount}.", statusCode: StatusCodes.Status400BadRequest);
        if (!PeopleText.IsPlain($"{subject}{action}", PeopleText.MaxName))
            return TypedResults.Problem("Subject and action must be plain text.", statusCode: StatusCodes.Status400BadRequest);

        await using var connection = await database.Source.OpenConnectionAsync(cancellation);
        var records = await AuditReader.ReadAsync(connection, new(after, limit, subject, action), cancellation);
        var items = records.ConvertAll(record => new AuditItem(
            record.Number, record.RecordedAt, record.Action, record.Outcome, record.Detail, record.Subject, record.Client, record.Address,
            record.Reason, record.Ticket, record.Field, record.Target, record.Tokens, record.Charged, record.ChargedToday,
            record.Fingerprints,
            record.KeyIds, record.Occurrences, record.Mac));
        return TypedResults.Json(new AuditPage(items, items.Count == limit ? items[^1].Number : null), AuditJson.Answers.AuditPage);
    }
}
