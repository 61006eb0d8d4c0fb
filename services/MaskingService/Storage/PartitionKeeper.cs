using Microsoft.Extensions.Options;
using Npgsql;

namespace PiiMasking.MaskingService.Storage;

/// <summary>Keeps partitions ready for the coming months. Without one, rows go to the default partition: later, but not lost.</summary>
internal sealed class PartitionKeeper(
    NpgsqlDataSource database, IOptions<StorageOptions> options, TimeProvider time, ILogger<PartitionKeeper> logger) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromHours(6);
    private static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(30);

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (true)
        {
            var wait = Interval;
            try
            {
                await using var command = database.CreateCommand("SELECT ensure_login_partitions($1)");
                command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = options.Value.PartitionMonthsAhead });
                if (await command.ExecuteScalarAsync(stoppingToken) is int made and > 0)
                    logger.PartitionsMade(made);
            }
            catch (Exception e) when (e is NpgsqlException or TimeoutException)
            {
                // Also a lock timeout: somebody's long transaction is in the way, and ingest must not queue up behind this.
                logger.PartitionsNotMade(DatabaseProblem.Describe(e));
                wait = RetryInterval;
            }

            await Task.Delay(wait, time, stoppingToken);
        }
    }
}
