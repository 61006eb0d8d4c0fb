using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Options;
using PiiMasking.MaskingService.Audit;
using PiiMasking.MaskingService.People;

namespace PiiMasking.MaskingService.Rotation;

/// <summary><c>GET /v1/rotation</c>: how far a rotation of the masking key is.</summary>
internal static class RotationEndpoint
{
    public static void MapRotation(this IEndpointRouteBuilder routes) =>
        routes.MapGet("/v1/rotation", ReadAsync)
            .ForPeople(AuditAction.Rotation, Scopes.Rotation)
            .Produces<RotationReport>()
            .WithName("rotation")
            .WithTags("Rotation")
            .WithSummary("Says where the masking keys are")
            .WithDescription("Ids and counts, no key and no token. Pause, resume and abandon with 'MaskingService rotation'. Scope pii.rotation.");

    private static async Task<JsonHttpResult<RotationReport>> ReadAsync(
        PeopleDatabase database, IOptions<RotationOptions> options, CancellationToken cancellation) =>
        TypedResults.Json(
            await RotationReport.ReadAsync(database.Source, options.Value.ReplicaGoneAfter, cancellation), RotationJson.Answers.RotationReport);
}
