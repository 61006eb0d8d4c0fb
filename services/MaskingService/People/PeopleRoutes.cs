using Microsoft.AspNetCore.Mvc;
using PiiMasking.MaskingService.Listeners;

namespace PiiMasking.MaskingService.People;

/// <summary>What all routes of the people port have in common.</summary>
internal static class PeopleRoutes
{
    /// <summary>What a route's refusals are recorded as.</summary>
    /// <param name="Action">One of <see cref="Audit.AuditAction"/>.</param>
    public sealed record PeopleAction(string Action);

    /// <summary>Puts a route on the people port, for callers whose token has a scope.</summary>
    /// <param name="route">The route.</param>
    /// <param name="action">What it is in the audit.</param>
    /// <param name="scope">One of <see cref="Scopes"/>.</param>
    public static RouteHandlerBuilder ForPeople(this RouteHandlerBuilder route, string action, string scope) =>
        route.On(Listener.People)
            .RequireAuthorization(scope)
            .WithMetadata(new PeopleAction(action), new RequestSizeLimitAttribute(PeopleRequest.MaxBodyBytes))
            .AddEndpointFilter<PeopleDoor>()
            .ProducesProblem(StatusCodes.Status401Unauthorized)
            .ProducesProblem(StatusCodes.Status403Forbidden)
            .ProducesProblem(StatusCodes.Status429TooManyRequests)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable);

    /// <summary>What the request's route is in the audit.</summary>
    /// <returns>Null if it is not one for people.</returns>
    public static string? ActionOf(HttpContext context) => context.GetEndpoint()?.Metadata.GetMetadata<PeopleAction>()?.Action;
}
