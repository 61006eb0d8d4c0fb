using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http.HttpResults;

namespace PiiMasking.MaskingService.People;

/// <summary>What a request's body came to: what it says, or the answer to one that is no good.</summary>
internal readonly record struct BodyOutcome<T>(T? Value, ProblemHttpResult? Problem)
    where T : class;

/// <summary>Reads bodies of people's requests without ever quoting them.</summary>
internal static class PeopleRequest
{
    /// <summary>A thousand tokens of any length that a column can hold.</summary>
    public const long MaxBodyBytes = 1024 * 1024;

    /// <summary>Reads JSON strictly.</summary>
    /// <param name="request">Has the body.</param>
    /// <param name="type">How to read it.</param>
    /// <param name="problemOf">Says what is wrong with what was read, without any value; null if nothing is.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task<BodyOutcome<T>> ReadAsync<T>(
        HttpRequest request, JsonTypeInfo<T> type, Func<T, string?> problemOf, CancellationToken cancellation)
        where T : class
    {
        if (!request.HasJsonContentType())
            return Problem("The body must be JSON: send it with Content-Type: application/json.",
                StatusCodes.Status415UnsupportedMediaType);
        try
        {
            if (await JsonSerializer.DeserializeAsync(request.Body, type, cancellation) is not { } value)
                return Problem("The body is null.", StatusCodes.Status400BadRequest);
            return problemOf(value) is { } problem ? Problem(problem, StatusCodes.Status400BadRequest) : new(value, null);
        }
        catch (JsonException e)
        {
            // The exception's text can quote the body; its position cannot.
            return Problem(
                $"The body is not what this call takes (byte {e.BytePositionInLine} of line {e.LineNumber}). See /openapi/v1.json.",
                StatusCodes.Status400BadRequest);
        }
        catch (BadHttpRequestException e)
        {
            return Problem("The body could not be read, or is too large.", e.StatusCode);
        }

        static BodyOutcome<T> Problem(string detail, int status) => new(null, TypedResults.Problem(detail, statusCode: status));
    }

    /// <summary>Checks the words that go into the audit.</summary>
    /// <returns>What is wrong, or null.</returns>
    public static string? ProblemOf(string? reason, string? ticket) =>
        string.IsNullOrWhiteSpace(reason) ? "A reason is needed: say why, for the audit."
        : !PeopleText.IsPlain(reason, PeopleText.MaxReason)
        ? $"The reason must be {PeopleText.MaxReason} characters at most, without control characters."
        : ticket is not null && !PeopleText.IsPlain(ticket, PeopleText.MaxTicket)
        ? $"The ticket must be {PeopleText.MaxTicket} characters at most, without control characters."
        : null;
}
