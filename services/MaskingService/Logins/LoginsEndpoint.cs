using System.Text.Json;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.Options;
using PiiMasking.Contracts;
using PiiMasking.MaskingService.Masking;
using PiiMasking.MaskingService.Storage;

namespace PiiMasking.MaskingService.Logins;

/// <summary><c>POST /v1/logins</c>, for the ingestion service only: commits a batch and says what became of each message.</summary>
internal static class LoginsEndpoint
{
    /// <summary>The sidecar lets 4 MiB through by default; twice that leaves room for a raised limit.</summary>
    private const long MaxBodyBytes = 8 * 1024 * 1024;

    public static IEndpointConventionBuilder MapLogins(this IEndpointRouteBuilder routes) =>
        routes.MapPost(LoginBatch.Route, StoreAsync).WithMetadata(new RequestSizeLimitAttribute(MaxBodyBytes));

    private static async Task<Results<JsonHttpResult<LoginBatchResult>, ProblemHttpResult>> StoreAsync(
        HttpRequest request, HttpResponse response, LoginBatchHandler handler, IOptions<StorageOptions> options, CancellationToken cancellation)
    {
        LoginBatch? batch;
        try
        {
            batch = await JsonSerializer.DeserializeAsync(request.Body, ContractsJson.Default.LoginBatch, cancellation);
        }
        catch (JsonException e)
        {
            // The exception's text can quote the body; its position cannot.
            return TypedResults.Problem($"The body is no login batch (byte {e.BytePositionInLine} of line {e.LineNumber}).", statusCode: StatusCodes.Status400BadRequest);
        }

        if (LoginBatchRules.Problem(batch) is { } problem)
            return TypedResults.Problem(problem, statusCode: StatusCodes.Status400BadRequest);

        switch (await handler.HandleAsync(batch!, cancellation))
        {
            case BatchOutcome.Done done:
                return TypedResults.Json(done.Result, ContractsJson.Default.LoginBatchResult);
            case BatchOutcome.Busy:
                response.Headers.RetryAfter = "1";
                return TypedResults.Problem($"No room within {options.Value.MaxWait}. Send it again later.", statusCode: StatusCodes.Status503ServiceUnavailable);
            case BatchOutcome.NotReady notReady:
                response.Headers.RetryAfter = "1";
                return TypedResults.Problem(notReady.Reason, statusCode: StatusCodes.Status503ServiceUnavailable);
            default:
                throw new System.Diagnostics.UnreachableException();
        }
    }
}
