using Microsoft.Extensions.Diagnostics.HealthChecks;
using Npgsql;

namespace PiiMasking.MaskingService.Storage;

/// <summary>Readiness: the database answers and has this version's schema. Asked anew at most once a second.</summary>
internal sealed class DatabaseHealth(NpgsqlDataSource database, TimeProvider time) : IHealthCheck, IDisposable
{
    private static readonly TimeSpan GoodFor = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private readonly SemaphoreSlim asking = new(1);
    private (long At, HealthCheckResult Result)? last;

    /// <inheritdoc />
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        await asking.WaitAsync(cancellationToken);
        try
        {
            if (last is not { } known || time.GetElapsedTime(known.At) > GoodFor)
                last = known = (time.GetTimestamp(), await AskAsync(cancellationToken));
            return known.Result;
        }
        finally
        {
            asking.Release();
        }
    }

    /// <inheritdoc />
    public void Dispose() => asking.Dispose();

    private async Task<HealthCheckResult> AskAsync(CancellationToken cancellation)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(Patience);
        try
        {
            await using var command = database.CreateCommand("SELECT name FROM schema_migrations");
            await using var reader = await command.ExecuteReaderAsync(patience.Token);
            var applied = new HashSet<string>();
            while (await reader.ReadAsync(patience.Token))
                applied.Add(reader.GetString(0));
            var missing = Sql.Migrations.FirstOrDefault(name => !applied.Contains(name));
            return missing is null
                ? HealthCheckResult.Healthy()
                : HealthCheckResult.Unhealthy($"the database lacks migration {missing}. Run 'MaskingService migrate'.");
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException)
        {
            return HealthCheckResult.Unhealthy(DatabaseProblem.Describe(e));
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return HealthCheckResult.Unhealthy(DatabaseProblem.Describe(new TimeoutException()));
        }
    }
}
