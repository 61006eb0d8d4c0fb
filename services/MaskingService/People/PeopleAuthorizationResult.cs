using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Authorization.Policy;
using Microsoft.Extensions.Options;
using Npgsql;
using PiiMasking.MaskingService.Audit;

namespace PiiMasking.MaskingService.People;

/// <summary>
/// Sees to it that whoever is turned away at the people port is recorded: with a good token but not for this, at once; without one,
/// counted.
/// </summary>
internal sealed class PeopleAuthorizationResult(
    Refusals refusals, AuditLog audit, PeopleLimits limits, IOptions<PeopleOptions> options) : IAuthorizationMiddlewareResultHandler
{
    private readonly AuthorizationMiddlewareResultHandler rest = new();

    /// <inheritdoc />
    public async Task HandleAsync(
        RequestDelegate next, HttpContext context, AuthorizationPolicy policy, PolicyAuthorizationResult authorizeResult)
    {
        if (PeopleRoutes.ActionOf(context) is { } action && !authorizeResult.Succeeded)
        {
            if (options.Value is { Authority: null, SigningKeyFile: null })
                throw new PeopleUnavailableException(
                    "Nobody can be let in: no issuer of bearer tokens is configured (People:Authority and People:Audience).");
            await RecordAsync(Caller.Of(context), action, context.RequestAborted);
        }

        await rest.HandleAsync(next, context, policy, authorizeResult);
    }

    private async Task RecordAsync(Caller caller, string action, CancellationToken cancellation)
    {
        if (caller.Subject is null)
        {
            refusals.Count(caller, action, "no_valid_token");
            return;
        }

        const string missingScope = "missing_scope";
        if (!limits.TryEnter(caller.Subject))
        {
            refusals.Count(caller, action, missingScope);
            return;
        }

        try
        {
            await audit.AppendAsync(new AuditEntry(caller, action, AuditOutcome.Refused) { Detail = missingScope }, cancellation);
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException or PeopleUnavailableException or OperationCanceledException)
        {
            // Nothing is answered that would need a record first; it is made as soon as it can be.
            refusals.Count(caller, action, missingScope);
        }
    }
}
