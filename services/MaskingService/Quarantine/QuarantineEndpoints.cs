using System.ComponentModel;
using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http.HttpResults;
using PiiMasking.Logins;
using PiiMasking.MaskingService.Audit;
using PiiMasking.MaskingService.People;

namespace PiiMasking.MaskingService.Quarantine;

/// <summary><c>/v1/quarantine</c>: what could not become a login, and what to do about it.</summary>
internal static class QuarantineEndpoints
{
    private const int MaxCount = 1_000;
    private const int MaxReasonCode = 64;
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public static void AddQuarantine(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSingleton<QuarantineKeeper>();
        builder.Services.AddSingleton<QuarantineReplay>();

        builder.Services.AddOptions<QuarantineOptions>().BindConfiguration("Quarantine").ValidateDataAnnotations().ValidateOnStart();
        builder.Services.AddSingleton<QuarantineBound>();
        builder.Services.AddHostedService(services => services.GetRequiredService<QuarantineBound>());
        builder.Services.AddHealthChecks().AddCheck<QuarantineBound>("quarantine");
    }

    public static void MapQuarantine(this IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/quarantine", ListAsync)
            .ForPeople(AuditAction.QuarantineList, Scopes.Quarantine)
            .Produces<QuarantinePage>()
            .ProducesProblem(StatusCodes.Status400BadRequest)
            .WithName("listQuarantine")
            .WithTags("Quarantine")
            .WithSummary("Lists messages in quarantine")
            .WithDescription("Newest first, without payloads. Scope pii.quarantine.");
        routes.MapPost("/v1/quarantine/{messageId:guid}/payload", PayloadAsync)
            .ForPeople(AuditAction.QuarantinePayload, Scopes.Reveal)
            .Accepts<PayloadRequest>("application/json")
            .Produces<PayloadResponse>()
            .ProducesProblem(StatusCodes.Status400BadRequest)
            .ProducesProblem(StatusCodes.Status404NotFound)
            .ProducesProblem(StatusCodes.Status422UnprocessableEntity)
            .WithName("revealPayload")
            .WithTags("Quarantine")
            .WithSummary("Shows what a producer sent")
            .WithDescription("A reveal like any other: on the record first, and charged to the budget as one value. Scope pii.reveal.");
        routes.MapPost("/v1/quarantine/replay", ReplayAsync)
            .ForPeople(AuditAction.QuarantineReplay, Scopes.Quarantine)
            .Accepts<ReplayRequest>("application/json")
            .Produces<ReplayResponse>()
            .ProducesProblem(StatusCodes.Status400BadRequest)
            .WithName("replay")
            .WithTags("Quarantine")
            .WithSummary("Sends messages through the rules again")
            .WithDescription(
                "Each lands once however often this is run, with its original identity and date. What fails again stays, with its new "
                    + "reason. Scope pii.quarantine.");
        routes.MapPost("/v1/quarantine/{messageId:guid}/delete", DeleteAsync)
            .ForPeople(AuditAction.QuarantineDelete, Scopes.Quarantine)
            .Accepts<PayloadRequest>("application/json")
            .Produces<DeleteResponse>()
            .ProducesProblem(StatusCodes.Status400BadRequest)
            .ProducesProblem(StatusCodes.Status404NotFound)
            .WithName("deleteQuarantined")
            .WithTags("Quarantine")
            .WithSummary("Deletes a message for good")
            .WithDescription("In one transaction with the record of it. Scope pii.quarantine.");
    }

    private static async Task<Results<JsonHttpResult<QuarantinePage>, ProblemHttpResult>> ListAsync(
        QuarantineKeeper keeper, CancellationToken cancellation,
        [Description("Only messages that are there for this reason")] string? reason = null,
        [Description("1 to 1,000")] int limit = 100,
        [Description("\"next\" of the page before")] string? cursor = null)
    {
        var (beforeAt, beforeId) = (DateTimeOffset.MaxValue.AddTicks(-9), new Guid(Enumerable.Repeat(byte.MaxValue, 16).ToArray()));
        if (limit is < 1 or > MaxCount)
            return BadRequest($"The limit must be 1 to {MaxCount}.");
        if (reason is not null && !PeopleText.IsPlain(reason, MaxReasonCode))
            return BadRequest("The reason must be a code, such as ip_not_an_address.");
        if (cursor is not null
            && !(PageCursor.TryRead(cursor, out var at, out var id)
                && DateTimeOffset.TryParseExact(at, "O", CultureInfo.InvariantCulture, DateTimeStyles.None, out beforeAt)
                && Guid.TryParse(id, out beforeId)))
        {
            return BadRequest("The cursor is not one of this list.");
        }

        var messages = await keeper.ListAsync(beforeAt.ToUniversalTime(), beforeId, reason, limit, cancellation);
        var next = messages.Count == limit
            ? PageCursor.Write(messages[^1].QuarantinedAt.ToString("O", CultureInfo.InvariantCulture), $"{messages[^1].MessageId:D}")
            : null;
        return TypedResults.Json(new QuarantinePage(messages, next), QuarantineJson.Answers.QuarantinePage);
    }

    private static async Task<Results<JsonHttpResult<PayloadResponse>, ProblemHttpResult>> PayloadAsync(
        Guid messageId, HttpContext context, QuarantineKeeper keeper, AuditedRefusal refusal, CancellationToken cancellation)
    {
        var caller = Caller.Of(context);
        var (request, problem) = await PeopleRequest.ReadAsync(context.Request, QuarantineJson.Default.PayloadRequest, ProblemOf,
            cancellation);
        if (request is null)
            return await refusal.RecordAsync(caller, AuditAction.QuarantinePayload, problem!, cancellation);

        return await keeper.RevealAsync(messageId, request, caller, cancellation) switch
        {
            QuarantineOutcome.Revealed revealed => TypedResults.Json(Response(revealed), QuarantineJson.Answers.PayloadResponse),
            QuarantineOutcome.OverBudget over => AuditedRefusal.OverBudget(over.Charged, over.Budget),
            QuarantineOutcome.Unreadable => TypedResults.Problem(
                "The payload does not open.", statusCode: StatusCodes.Status422UnprocessableEntity),
            _ => NotFound(),
        };
    }

    private static async Task<Results<JsonHttpResult<DeleteResponse>, ProblemHttpResult>> DeleteAsync(
        Guid messageId, HttpContext context, QuarantineKeeper keeper, AuditedRefusal refusal, CancellationToken cancellation)
    {
        var caller = Caller.Of(context);
        var (request, problem) = await PeopleRequest.ReadAsync(context.Request, QuarantineJson.Default.PayloadRequest, ProblemOf,
            cancellation);
        if (request is null)
            return await refusal.RecordAsync(caller, AuditAction.QuarantineDelete, problem!, cancellation);

        return await keeper.DeleteAsync(messageId, request, caller, cancellation) is QuarantineOutcome.Deleted deleted
            ? TypedResults.Json(new DeleteResponse(deleted.AuditRecord), QuarantineJson.Answers.DeleteResponse)
            : NotFound();
    }

    private static async Task<Results<JsonHttpResult<ReplayResponse>, ProblemHttpResult>> ReplayAsync(
        HttpContext context, QuarantineReplay replay, AuditLog audit, AuditedRefusal refusal, CancellationToken cancellation)
    {
        var caller = Caller.Of(context);
        var (request, problem) = await PeopleRequest.ReadAsync(context.Request, QuarantineJson.Default.ReplayRequest, ProblemOf,
            cancellation);
        if (request is null)
            return await refusal.RecordAsync(caller, AuditAction.QuarantineReplay, problem!, cancellation);

        var entry = new AuditEntry(caller, AuditAction.QuarantineReplay, AuditOutcome.Granted)
        {
            Reason = request.Reason,
            Ticket = request.Ticket,
            Target = request.MessageId?.ToString("D", CultureInfo.InvariantCulture) ?? request.WithReason ?? "all",
        };
        await audit.AppendAsync(entry, cancellation);
        var counts = await replay.ReplayAsync(new ReplaySelection(request.MessageId, request.WithReason), cancellation);
        var stayed = counts.Stayed.Values.Sum();
        var completed = await audit.AppendAsync(
            entry with
            {
                Outcome = AuditOutcome.Completed,
                Detail = string.Create(
                    CultureInfo.InvariantCulture,
                    $"stored={counts.Stored} repeated={counts.Repeated} erased={counts.Erased} stayed={stayed} unreadable={counts.Unreadable} "
                    + $"not_now={counts.NotNow}"),
                Tokens = counts.Stored + counts.Repeated + counts.Erased + stayed + counts.Unreadable + counts.NotNow,
            },
            cancellation);
        return TypedResults.Json(
            new ReplayResponse(
                counts.Stored, counts.Repeated, counts.Erased, counts.Stayed, counts.Unreadable, counts.NotNow,
                ((AppendOutcome.Recorded)completed).Number),
            QuarantineJson.Answers.ReplayResponse);
    }

    private static string? ProblemOf(PayloadRequest request) => PeopleRequest.ProblemOf(request.Reason, request.Ticket);

    private static string? ProblemOf(ReplayRequest request) =>
        (request.MessageId is null ? 0 : 1) + (request.WithReason is null ? 0 : 1) + (request.All ? 1 : 0) != 1
            ? "Say what to replay: exactly one of messageId, withReason and all."
        : request.WithReason is { } reason && !PeopleText.IsPlain(reason, MaxReasonCode)
        ? "withReason must be a code, such as ip_not_an_address."
        : PeopleRequest.ProblemOf(request.Reason ?? "none given", request.Ticket);

    private static PayloadResponse Response(QuarantineOutcome.Revealed revealed)
    {
        try
        {
            return new PayloadResponse(new Pii(Strict.GetString(revealed.Payload)), "utf-8", revealed.AuditRecord);
        }
        catch (DecoderFallbackException)
        {
            return new PayloadResponse(new Pii(Convert.ToBase64String(revealed.Payload)), "base64", revealed.AuditRecord);
        }
    }

    private static ProblemHttpResult NotFound() =>
        TypedResults.Problem("There is no such message in quarantine.", statusCode: StatusCodes.Status404NotFound);

    private static ProblemHttpResult BadRequest(string detail) => TypedResults.Problem(detail, statusCode: StatusCodes.Status400BadRequest);
}
