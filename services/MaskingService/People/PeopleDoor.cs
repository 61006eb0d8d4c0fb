namespace PiiMasking.MaskingService.People;

/// <summary>What every request with a good token and scope has to pass: the limit of its subject, and that people can be served at
/// all.</summary>
internal sealed class PeopleDoor(PeopleLimits limits, PeopleReadiness readiness, Refusals refusals) : IEndpointFilter
{
    /// <inheritdoc />
    public async ValueTask<object?> InvokeAsync(EndpointFilterInvocationContext context, EndpointFilterDelegate next)
    {
        var http = context.HttpContext;
        http.Response.Headers.CacheControl = "no-store";
        http.Response.Headers.XContentTypeOptions = "nosniff";
        var caller = Caller.Of(http);
        if (!limits.TryEnter(caller.Subject!))
        {
            refusals.Count(caller, PeopleRoutes.ActionOf(http)!, "rate_limited");
            http.Response.Headers.RetryAfter = $"{PeopleLimits.RetryAfter.TotalSeconds:0}";
            return TypedResults.Problem("Too many requests. Wait a little.", statusCode: StatusCodes.Status429TooManyRequests);
        }

        readiness.ThrowIfNotReady();
        return await next(context);
    }
}
