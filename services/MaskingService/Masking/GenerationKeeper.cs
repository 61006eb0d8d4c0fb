using Microsoft.Extensions.Diagnostics.HealthChecks;
using Npgsql;
using PiiMasking.MaskingService.Keys;
using PiiMasking.ServiceDefaults;

namespace PiiMasking.MaskingService.Masking;

/// <summary>
/// Checks keysets and database against each other before anything is masked, and again whenever other keysets were loaded. Keysets that
/// do not belong to the data stop the service: a table under two keysets could not be mended.
/// </summary>
internal sealed class GenerationKeeper(
    Keyring keyring, NpgsqlDataSource database, Generation generation, TimeProvider time, ILogger<GenerationKeeper> logger)
    : BackgroundService, IHealthCheck
{
    private static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(1);

    private volatile string? problem = "keysets and database have not been checked against each other yet.";

    /// <inheritdoc />
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(
            problem is { } missing ? HealthCheckResult.Unhealthy(missing)
            : generation.Keys?.All.Cast<uint?>().FirstOrDefault(keyId => keyring.Current?.CanMaskUnder(keyId!.Value) is not true) is { } missingKey
                ? HealthCheckResult.Unhealthy(new KeyUnavailableException(missingKey).Message)
            : HealthCheckResult.Healthy());

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        KeysetState? claimed = null;
        var keys = await keyring.WhenLoadedAsync(stoppingToken);
        while (true)
        {
            if (keys != claimed && await TryClaimAsync(keys, stoppingToken))
                claimed = keys;
            await Task.Delay(RetryInterval, time, stoppingToken);
            // The generation moves when keys are rotated; a keyset is refused for lacking the key of now, not that of the start.
            keyring.RequiredMaskingKeyIds = generation.Keys is { } required ? [.. required.All] : [];
            keys = keyring.Current ?? keys;
        }
    }

    private async Task<bool> TryClaimAsync(KeysetState keys, CancellationToken stopping)
    {
        try
        {
            switch (await GenerationClaim.ClaimAsync(database, keys, stopping))
            {
                case ClaimOutcome.Claimed outcome:
                    generation.Keys = outcome.Keys;
                    keyring.RequiredMaskingKeyIds = [.. outcome.Keys.All];
                    problem = null;
                    logger.GenerationClaimed(outcome.Keys.KeyId);
                    return true;
                case ClaimOutcome.Behind outcome:
                    // Every replica that was there when the rotation began knows the key; one that starts with an older secret waits for it.
                    problem = new KeyUnavailableException(outcome.KeyId).Message;
                    await keyring.ReloadForAsync(outcome.KeyId, stopping);
                    return false;
                case ClaimOutcome.Foreign outcome:
                    // Said here as well: a host that is still starting only sees that it was cancelled.
                    logger.KeysetsForeign(outcome.Problem);
                    throw new StartupException(outcome.Problem);
                default:
                    throw new System.Diagnostics.UnreachableException();
            }
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException)
        {
            // The database's own check says what is wrong with it.
            return false;
        }
    }
}
