using Microsoft.AspNetCore.Http.HttpResults;
using PiiMasking.MaskingService.People;

namespace PiiMasking.MaskingService.Audit;

/// <summary>Refusals of requests that came with a good token: on the record, then answered.</summary>
internal sealed class AuditedRefusal(AuditLog audit)
{
    /// <summary>Records that a request was no good and yields the answer to it.</summary>
    /// <inheritdoc cref="AuditLog.AppendAsync(AuditEntry, CancellationToken)" path="/exception" />
    public async Task<ProblemHttpResult> RecordAsync(Caller caller, string action, ProblemHttpResult problem,
        CancellationToken cancellation)
    {
        await audit.AppendAsync(new AuditEntry(caller, action, AuditOutcome.Refused) { Detail = $"unusable_request_{problem.StatusCode}" },
            cancellation);
        return problem;
    }

    /// <summary>The answer to one who has seen enough for a day.</summary>
    public static ProblemHttpResult OverBudget(int charged, int budget) => TypedResults.Problem(
        $"The budget of {budget} values a day does not allow it: {charged} are used. It begins anew at midnight, UTC.",
        statusCode: StatusCodes.Status429TooManyRequests);
}
