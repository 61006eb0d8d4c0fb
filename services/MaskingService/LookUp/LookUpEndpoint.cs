using System.Globalization;
using Microsoft.AspNetCore.Http.HttpResults;
using PiiMasking.Logins;
using PiiMasking.MaskingService.Audit;
using PiiMasking.MaskingService.Keys;
using PiiMasking.MaskingService.Masking;
using PiiMasking.MaskingService.People;

namespace PiiMasking.MaskingService.LookUp;

/// <summary>
/// <c>POST /v1/logins/search</c>: the logins of a value that one knows. Whoever may ask can find out the value of any token by trying,
/// so it is recorded, limited and charged like a reveal.
/// </summary>
internal static class LookUpEndpoint
{
    public static void AddLookUp(this IHostApplicationBuilder builder) => builder.Services.AddSingleton<LoginFinder>();

    public static void MapLookUp(this IEndpointRouteBuilder routes) =>
        routes.MapPost("/v1/logins/search", SearchAsync)
            .ForPeople(AuditAction.LookUp, Scopes.LookUp)
            .Accepts<LookUpRequest>("application/json")
            .Produces<LookUpResponse>()
            .ProducesProblem(StatusCodes.Status400BadRequest)
            .ProducesProblem(StatusCodes.Status422UnprocessableEntity)
            .WithName("searchLogins")
            .WithTags("Look-up")
            .WithSummary("Finds the logins of a value")
            .WithDescription(
                "The value, brought into canonical form, is masked and its logins are found by their token. On the record first, and "
                    + "charged as one value. "
                + "Scope pii.lookup.");

    private static async Task<Results<JsonHttpResult<LookUpResponse>, ProblemHttpResult>> SearchAsync(
        HttpContext context, LoginFinder finder, Keyring keyring, AuditLog audit, IntegrityKeys integrity, AuditedRefusal refusal,
        CancellationToken cancellation)
    {
        var caller = Caller.Of(context);
        var (request, problem) = await PeopleRequest.ReadAsync(context.Request, LookUpJson.Default.LookUpRequest, ProblemOf, cancellation);
        if (request is null)
            return await refusal.RecordAsync(caller, AuditAction.LookUp, problem!, cancellation);

        var field = MaskedField.Find(request.Field)!;
        if (field.Canonical(request.Value) is not { } value)
        {
            return await refusal.RecordAsync(
                caller, AuditAction.LookUp,
                TypedResults.Problem($"The value is no {field.Name}.", statusCode: StatusCodes.Status422UnprocessableEntity), cancellation);
        }

        var tokens = Mask(keyring, field, value);
        var entry = new AuditEntry(caller, AuditAction.LookUp, AuditOutcome.Granted)
        {
            Reason = request.Reason,
            Ticket = request.Ticket,
            Field = field.Name,
            Tokens = 1,
            Charge = 1,
            Fingerprints = Fingerprints.OfTokens(integrity.Require(), field.Name, tokens.Values),
            KeyIds = [.. tokens.Keys],
        };
        switch (await audit.AppendAsync(entry, cancellation))
        {
            case AppendOutcome.OverBudget over:
                return AuditedRefusal.OverBudget(over.Charged, over.Budget);
            case AppendOutcome.Recorded recorded:
                var (keyId, total, page) =
                    await finder.FindAsync(field, [.. tokens.Values], Before(request.Cursor)!.Value, request.Limit, cancellation);
                var next = page.Count == request.Limit
                    ? PageCursor.Write(page[^1].CreateDate.ToString("O", CultureInfo.InvariantCulture), $"{page[^1].MessageId:D}")
                    : null;
                return TypedResults.Json(new LookUpResponse(
                    tokens.GetValueOrDefault(keyId) ?? throw new KeyUnavailableException(keyId), total, page, next, recorded.Number), LookUpJson.Answers.LookUpResponse);
            default:
                throw new System.Diagnostics.UnreachableException();
        }
    }

    /// <summary>Under every enabled key: the table is under one of them at any moment, and may change to another before the search is
    /// done.</summary>
    private static Dictionary<uint, string> Mask(Keyring keyring, MaskedField field, Pii value)
    {
        var keys = keyring.Current ?? throw new PeopleUnavailableException("The keysets are not loaded yet. See /readyz.");
        return keys.Masking.Keys.Where(key => keys.CanMaskUnder(key.Id)).ToDictionary(key => key.Id, key => field.Mask(keys, key.Id, value));
    }

    /// <summary>Where the page before ended; beyond the last row for the first page.</summary>
    /// <returns>Null if the text is no cursor of this list.</returns>
    private static (DateOnly Date, Guid Id)? Before(string? cursor) =>
        cursor is null ? (DateOnly.MaxValue, new Guid(Enumerable.Repeat(byte.MaxValue, 16).ToArray()))
        : PageCursor.TryRead(cursor, out var date, out var id)
            && DateOnly.TryParseExact(date, "O", CultureInfo.InvariantCulture, DateTimeStyles.None, out var beforeDate)
            && Guid.TryParse(id, out var beforeId)
            ? (beforeDate, beforeId)
        : null;

    private static string? ProblemOf(LookUpRequest request) =>
        MaskedField.Find(request.Field) is null ? "The field must be ip or device_id."
        : request.Limit is < 1 or > LookUpRequest.MaxLimit ? $"The limit must be 1 to {LookUpRequest.MaxLimit}."
        : Before(request.Cursor) is null ? "The cursor is not one of this list."
        : PeopleRequest.ProblemOf(request.Reason, request.Ticket);
}
