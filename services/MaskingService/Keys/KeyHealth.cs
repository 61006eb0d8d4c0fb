using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace PiiMasking.MaskingService.Keys;

/// <summary>Without keysets the service is not ready; with older ones than it should have, it is, and says so.</summary>
internal sealed class KeyHealth(Keyring keyring) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var problem = keyring.Problem;
        if (keyring.Current is not { } state)
            return Task.FromResult(HealthCheckResult.Unhealthy(problem));

        var primaries = new Dictionary<string, object>
        {
            ["masking_primary_key_id"] = state.Masking.PrimaryKeyId,
            ["quarantine_primary_key_id"] = state.QuarantineKeyset.PrimaryKeyId,
        };
        return Task.FromResult(problem is null
            ? HealthCheckResult.Healthy(data: primaries)
            : HealthCheckResult.Degraded("The keysets read before stay in use. " + problem, data: primaries));
    }
}
