using Microsoft.AspNetCore.Http.HttpResults;
using PiiMasking.MaskingService.Audit;
using PiiMasking.MaskingService.Masking;
using PiiMasking.MaskingService.People;

namespace PiiMasking.MaskingService.Reveal;

/// <summary><c>POST /v1/reveal</c>: values in the clear, for those who may, on the record.</summary>
internal static class RevealEndpoint
{
    public static void AddReveal(this IHostApplicationBuilder builder) => builder.Services.AddSingleton<Revealer>();

    public static void MapReveal(this IEndpointRouteBuilder routes) =>
        routes.MapPost("/v1/reveal", RevealAsync)
            .ForPeople(AuditAction.Reveal, Scopes.Reveal)
            .Accepts<RevealRequest>("application/json")
            .Produces<RevealResponse>()
            .ProducesProblem(StatusCodes.Status400BadRequest)
            .ProducesProblem(StatusCodes.Status422UnprocessableEntity)
            .WithName("reveal")
            .WithTags("Reveal")
            .WithSummary("Opens tokens")
            .WithDescription(
                "Answers with the values in the order of the tokens, after the record of it is durable. Tokens that do not open, such as "
                + "those of the other field, are refused by position (422, member \"positions\"), and all others with them unless partial "
                + "is true. Scope pii.reveal.");

    private static async Task<Results<JsonHttpResult<RevealResponse>, ProblemHttpResult>> RevealAsync(
        HttpContext context, Revealer revealer, AuditedRefusal refusal, CancellationToken cancellation)
    {
        var caller = Caller.Of(context);
        var (request, problem) = await PeopleRequest.ReadAsync(context.Request, RevealJson.Default.RevealRequest, ProblemOf, cancellation);
        if (request is null)
            return await refusal.RecordAsync(caller, AuditAction.Reveal, problem!, cancellation);

        switch (await revealer.RevealAsync(request, MaskedField.Find(request.Field)!, caller, cancellation))
        {
            case RevealOutcome.Revealed revealed:
                return TypedResults.Json(
                    new RevealResponse(revealed.Values, revealed.Unopened, revealed.AuditRecord), RevealJson.Answers.RevealResponse);
            case RevealOutcome.Refused refused:
                return TypedResults.Problem(
                    $"{refused.Unopened.Count} of {request.Tokens.Count} tokens do not open as tokens of {request.Field}; "
                    + "nothing was revealed.",
                    statusCode: StatusCodes.Status422UnprocessableEntity,
                    extensions: new Dictionary<string, object?> { ["positions"] = refused.Unopened });
            case RevealOutcome.OverBudget over:
                return AuditedRefusal.OverBudget(over.Charged, over.Budget);
            default:
                throw new System.Diagnostics.UnreachableException();
        }
    }

    private static string? ProblemOf(RevealRequest request) =>
        MaskedField.Find(request.Field) is null ? "The field must be ip or device_id."
        : request.Tokens.Count is 0 or > RevealRequest.MaxTokens ? $"Send 1 to {RevealRequest.MaxTokens} tokens."
        : request.Tokens.Any(token => token is null) ? "A token is null."
        : PeopleRequest.ProblemOf(request.Reason, request.Ticket);
}
