using Microsoft.AspNetCore.Diagnostics;
using Npgsql;
using PiiMasking.MaskingService.Masking;
using PiiMasking.MaskingService.Storage;

namespace PiiMasking.MaskingService.People;

/// <summary>Answers 503 with a clear reason where something that people need is away. Texts of other exceptions are nobody's to
/// read.</summary>
internal sealed class PeopleProblems(IProblemDetailsService problems) : IExceptionHandler
{
    /// <inheritdoc />
    public ValueTask<bool> TryHandleAsync(HttpContext httpContext, Exception exception, CancellationToken cancellationToken)
    {
        var reason = exception switch
        {
            PeopleUnavailableException or KeyUnavailableException or GenerationMissingException => exception.Message,
            NpgsqlException or TimeoutException => DatabaseProblem.Describe(exception),
            _ => null,
        };
        if (reason is null)
            return ValueTask.FromResult(false);

        httpContext.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
        httpContext.Response.Headers.RetryAfter = "5";
        return problems.TryWriteAsync(new ProblemDetailsContext
        {
            HttpContext = httpContext,
            ProblemDetails = { Status = StatusCodes.Status503ServiceUnavailable, Detail = reason },
        });
    }
}
