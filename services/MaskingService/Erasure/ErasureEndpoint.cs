using System.ComponentModel;
using System.Globalization;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Options;
using Npgsql;
using PiiMasking.Logins;
using PiiMasking.MaskingService.Audit;
using PiiMasking.MaskingService.People;
using PiiMasking.MaskingService.Storage;

namespace PiiMasking.MaskingService.Erasure;

/// <summary><c>/v1/erasures</c>: takes everything away that is there of a user, and keeps what was sent before from coming back.</summary>
internal static class ErasureEndpoint
{
    private const int MaxCount = 1_000;
    private const int LockAttempts = 5;
    private static readonly TimeSpan PollEvery = TimeSpan.FromMilliseconds(50);

    public static void AddErasure(this IHostApplicationBuilder builder)
    {
        builder.Services.AddOptions<ErasureOptions>().BindConfiguration(ErasureOptions.Section).ValidateDataAnnotations().ValidateOnStart();
        builder.Services.AddSingleton<ErasureGate>();
        builder.Services.AddSingleton<ReceiptFile>();
        builder.Services.AddSingleton<TouchedDuplicates>();
        builder.Services.AddSingleton<Eraser>();
        builder.Services.AddSingleton<ErasureWorker>();
        builder.Services.AddHostedService(services => services.GetRequiredService<ErasureWorker>());
        builder.Services.AddHealthChecks().AddCheck<ErasureGate>("erasures");
    }

    public static void MapErasures(this IEndpointRouteBuilder routes)
    {
        routes.MapPost("/v1/erasures", EraseAsync)
            .ForPeople(AuditAction.Erasure, Scopes.Erase)
            .Accepts<ErasureRequest>("application/json")
            .Produces<ErasureReceipt>()
            .Produces<ErasureReceipt>(StatusCodes.Status202Accepted)
            .ProducesProblem(StatusCodes.Status400BadRequest)
            .WithName("erase")
            .WithTags("Erasure")
            .WithSummary("Erases a user")
            .WithDescription(
                "Deletes the user's logins and messages in quarantine, and keeps out what was sent before, however late it is delivered. "
                + "The answer is a receipt: keep it, and after a restore give it to 'MaskingService erasure reapply'. 202 if it is not "
                + "completed yet: the service goes on, ask again at Location. Scope pii.erase.");
        routes.MapGet("/v1/erasures/{erasureId:guid}", FindAsync)
            .ForPeople(AuditAction.ErasureList, Scopes.Erase)
            .Produces<ErasureReceipt>()
            .ProducesProblem(StatusCodes.Status404NotFound)
            .WithName("erasure")
            .WithTags("Erasure")
            .WithSummary("Shows what an erasure did")
            .WithDescription("The receipt; without \"completedAt\" and \"mac\" as long as it is not completed. Scope pii.erase.");
        routes.MapGet("/v1/erasures", ListAsync)
            .ForPeople(AuditAction.ErasureList, Scopes.Erase)
            .Produces<ErasurePage>()
            .ProducesProblem(StatusCodes.Status400BadRequest)
            .WithName("listErasures")
            .WithTags("Erasure")
            .WithSummary("Lists erasures")
            .WithDescription("Receipts, oldest first; none of them says who it was. Scope pii.erase.");
    }

    private static async Task<Results<JsonHttpResult<ErasureReceipt>, ProblemHttpResult>> EraseAsync(
        HttpContext context, PeopleDatabase database, IntegrityKeys integrity, AuditLog audit, AuditedRefusal refusal, ErasureWorker worker,
        IOptions<ErasureOptions> options, TimeProvider time, CancellationToken cancellation)
    {
        var caller = Caller.Of(context);
        var (request, problem) = await PeopleRequest.ReadAsync(
            context.Request, ErasureJson.Default.ErasureRequest, ProblemOf, cancellation);
        if (request is null)
            return await refusal.RecordAsync(caller, AuditAction.Erasure, problem!, cancellation);

        var erasureId = Guid.CreateVersion7(time.GetUtcNow());
        await BeginAsync(erasureId, request, caller, integrity, audit, time, cancellation);

        var asked = time.GetTimestamp();
        ErasureReceipt erasure;
        do
        {
            worker.Wake();
            await Task.Delay(PollEvery, time, cancellation);
            erasure = await FindSignedAsync(database, integrity, erasureId, cancellation)
                ?? throw new System.Diagnostics.UnreachableException();
        }
        while (erasure.CompletedAt is null && time.GetElapsedTime(asked) < options.Value.AnswerWithin);

        context.Response.Headers.Location = $"/v1/erasures/{erasureId:D}";
        return TypedResults.Json(
            erasure, ErasureJson.Answers.ErasureReceipt,
            statusCode: erasure.CompletedAt is null ? StatusCodes.Status202Accepted : StatusCodes.Status200OK);
    }

    /// <summary>Fingerprint and record, both or neither, while no writer is at work. From here on the erasure cannot get lost.</summary>
    private static async Task BeginAsync(
        Guid erasureId, ErasureRequest request, Caller caller, IntegrityKeys integrity, AuditLog audit, TimeProvider time,
        CancellationToken cancellation)
    {
        var mac = integrity.Require();
        var fingerprint = Fingerprints.OfUser(mac, mac.PrimaryKeyId, request.UserId);
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await audit.AppendAsync(caller.Subject, InsertAsync, cancellation);
                return;
            }
            catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.LockNotAvailable && attempt < LockAttempts)
            {
                await Task.Delay(PollEvery * attempt, time, cancellation);
            }
        }

        async Task<AuditEntry> InsertAsync(NpgsqlConnection connection, CancellationToken stopping)
        {
            await ErasureStore.LockOutWritersAsync(connection, stopping);
            var erasure = new PendingErasure(
                erasureId, fingerprint, mac.PrimaryKeyId, Microseconds.Of(time.GetUtcNow()), IsReapplied: false, request.UserId);
            await ErasureStore.TryInsertAsync(connection, erasure, stopping);
            return new AuditEntry(caller, AuditAction.Erasure, AuditOutcome.Granted)
            {
                Reason = request.Reason,
                Ticket = request.Ticket,
                Target = erasureId.ToString("D", CultureInfo.InvariantCulture),
                Fingerprints = fingerprint,
            };
        }
    }

    private static async Task<Results<JsonHttpResult<ErasureReceipt>, ProblemHttpResult>> FindAsync(
        Guid erasureId, PeopleDatabase database, IntegrityKeys integrity, CancellationToken cancellation) =>
        await FindSignedAsync(database, integrity, erasureId, cancellation) is { } erasure
            ? TypedResults.Json(erasure, ErasureJson.Answers.ErasureReceipt)
            : TypedResults.Problem("There is no such erasure.", statusCode: StatusCodes.Status404NotFound);

    private static async Task<Results<JsonHttpResult<ErasurePage>, ProblemHttpResult>> ListAsync(
        PeopleDatabase database, IntegrityKeys integrity, CancellationToken cancellation,
        [Description("1 to 1,000")] int limit = 100,
        [Description("\"next\" of the page before")] string? cursor = null)
    {
        var (afterAt, afterId) = (DateTimeOffset.MinValue, Guid.Empty);
        if (limit is < 1 or > MaxCount)
            return TypedResults.Problem($"The limit must be 1 to {MaxCount}.", statusCode: StatusCodes.Status400BadRequest);
        if (cursor is not null
            && !(PageCursor.TryRead(cursor, out var at, out var id)
                && DateTimeOffset.TryParseExact(at, "O", CultureInfo.InvariantCulture, DateTimeStyles.None, out afterAt)
                && Guid.TryParse(id, out afterId)))
        {
            return TypedResults.Problem("The cursor is not one of this list.", statusCode: StatusCodes.Status400BadRequest);
        }

        var erasures = await ErasureStore.ListAsync(database.Source, afterAt.ToUniversalTime(), afterId, limit, cancellation);
        var next = erasures.Count == limit
            ? PageCursor.Write(erasures[^1].ErasedAt.ToString("O", CultureInfo.InvariantCulture), $"{erasures[^1].ErasureId:D}")
            : null;
        return TypedResults.Json(
            new ErasurePage(erasures.ConvertAll(each => Signed(each, integrity)), next), ErasureJson.Answers.ErasurePage);
    }

    private static async Task<ErasureReceipt?> FindSignedAsync(
        PeopleDatabase database, IntegrityKeys integrity, Guid erasureId, CancellationToken cancellation) =>
        await ErasureStore.FindAsync(database.Source, erasureId, cancellation) is { } erasure ? Signed(erasure, integrity) : null;

    private static ErasureReceipt Signed(ErasureReceipt erasure, IntegrityKeys integrity) =>
        erasure.CompletedAt is null ? erasure : erasure.Sign(integrity.Require());

    private static string? ProblemOf(ErasureRequest request) =>
        request.UserId.Length == 0 || request.UserId.Contains('\0', StringComparison.Ordinal)
            || request.UserId.EnumerateRunes().Count() > UserIds.MaxCodePoints
        ? $"user_id must be 1 to {UserIds.MaxCodePoints} characters."
        : PeopleRequest.ProblemOf(request.Reason, request.Ticket);
}
