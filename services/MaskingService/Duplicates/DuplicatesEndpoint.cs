using System.ComponentModel;
using System.Data;
using System.Globalization;
using Microsoft.AspNetCore.Http.HttpResults;
using Npgsql;
using PiiMasking.MaskingService.Audit;
using PiiMasking.MaskingService.Masking;
using PiiMasking.MaskingService.People;
using PiiMasking.MaskingService.Storage;

namespace PiiMasking.MaskingService.Duplicates;

/// <summary><c>GET /v1/duplicates</c>: which tokens occur more than once, largest groups first.</summary>
internal static class DuplicatesEndpoint
{
    private const int MaxCount = 1_000;

    private static readonly string ReadDuplicates = Sql.Load("read_duplicates.sql");

    public static void AddDuplicates(this IHostApplicationBuilder builder)
    {
        builder.Services.AddOptions<DuplicatesOptions>().BindConfiguration("Duplicates").ValidateDataAnnotations().ValidateOnStart();
        builder.Services.AddSingleton<DuplicateRefresher>();
        builder.Services.AddHostedService(services => services.GetRequiredService<DuplicateRefresher>());
    }

    public static void MapDuplicates(this IEndpointRouteBuilder routes) =>
        routes.MapGet("/v1/duplicates", ReadAsync)
            .ForPeople(AuditAction.Duplicates, Scopes.Duplicates)
            .Produces<DuplicatesPage>()
            .ProducesProblem(StatusCodes.Status400BadRequest)
            .WithName("duplicates")
            .WithTags("Duplicates")
            .WithSummary("Lists tokens that occur more than once")
            .WithDescription(
                "From a roll-up that is refreshed in the background; its age is in the answer. For exact groups of this moment ask the "
                    + "SQL views "
                + "duplicate_ips and duplicate_device_ids. Scope pii.duplicates.");

    private static async Task<Results<JsonHttpResult<DuplicatesPage>, ProblemHttpResult>> ReadAsync(
        HttpResponse response, PeopleDatabase database, TimeProvider time, CancellationToken cancellation,
        [Description("ip or device_id")] string? field = null,
        [Description("all, 30d, 7d or 1d: days back from today (UTC)")] string? window = "all",
        [Description("1 to 1,000")] int limit = 100,
        [Description("\"next\" of the page before")] string? cursor = null)
    {
        var (beforeLogins, beforeToken) = (long.MaxValue, "");
        if (MaskedField.Find(field) is null || DuplicateWindow.Find(window) is null)
            return BadRequest("Say field=ip or field=device_id, and window=all, 30d, 7d or 1d.");
        if (limit is < 1 or > MaxCount)
            return BadRequest($"The limit must be 1 to {MaxCount}.");
        if (cursor is not null
            && !(PageCursor.TryRead(cursor, out var logins, out beforeToken)
                && long.TryParse(logins, NumberStyles.None, CultureInfo.InvariantCulture, out beforeLogins)
                && PeopleText.IsPlain(beforeToken, 256)))
        {
            return BadRequest("The cursor is not one of this list.");
        }

        // In one snapshot: the groups of one count with the time of that count, under one key.
        await using var connection = await database.Source.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, cancellation);
        await using var command = new NpgsqlCommand(ReadDuplicates, connection, transaction);
        command.Parameters.Add(new NpgsqlParameter<string>("field", field!));
        command.Parameters.Add(new NpgsqlParameter<string>("time_window", window!));
        command.Parameters.Add(new NpgsqlParameter<long>("before_logins", beforeLogins));
        command.Parameters.Add(new NpgsqlParameter<string>("before_token", beforeToken));
        command.Parameters.Add(new NpgsqlParameter<int>("count", limit));
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var groups = new List<DuplicateGroup>();
        while (await reader.ReadAsync(cancellation))
        {
            groups.Add(new DuplicateGroup(
                reader.GetString(1), reader.GetInt64(0), reader.GetInt64(2), reader.GetFieldValue<DateOnly>(3),
                    reader.GetFieldValue<DateOnly>(4)));
        }

        await reader.NextResultAsync(cancellation);
        if (!await reader.ReadAsync(cancellation))
        {
            response.Headers.RetryAfter = "5";
            return TypedResults.Problem("The duplicates are being counted for the first time.",
                statusCode: StatusCodes.Status503ServiceUnavailable);
        }

        var refreshedAt = reader.GetFieldValue<DateTimeOffset>(0);
        var next = groups.Count == limit ? PageCursor.Write(groups[^1].Logins.ToString(CultureInfo.InvariantCulture), groups[^1].Token)
            : null;
        return TypedResults.Json(
            new DuplicatesPage(
                field!, window!, await reader.IsDBNullAsync(1, cancellation) ? null : reader.GetFieldValue<DateOnly>(1), refreshedAt,
                Math.Round(Math.Max(0, (time.GetUtcNow() - refreshedAt).TotalSeconds), 1), reader.GetInt64(2), reader.GetInt64(3), groups,
                    next),
            DuplicatesJson.Answers.DuplicatesPage);
    }

    private static ProblemHttpResult BadRequest(string detail) => TypedResults.Problem(detail, statusCode: StatusCodes.Status400BadRequest);
}
