using System.Data;
using Microsoft.Extensions.Options;
using Npgsql;
using NpgsqlTypes;
using PiiMasking.MaskingService.Masking;
using PiiMasking.MaskingService.People;
using PiiMasking.MaskingService.Storage;

namespace PiiMasking.MaskingService.Duplicates;

/// <summary>Counts the duplicates again and again, in the background and never more than a tenth of the time.</summary>
internal sealed class DuplicateRefresher(
    PeopleDatabase database, IOptions<DuplicatesOptions> options, TimeProvider time, ILogger<DuplicateRefresher> logger) : BackgroundService
{
    private const int PausePerWork = 10;

    private static readonly string BeginRefresh = Sql.Load("begin_refresh.sql");
    private static readonly string RefreshDuplicates = Sql.Load("refresh_duplicates.sql");

    /// <summary>Counts one field in one window, unless another replica is at it or has just done it.</summary>
    /// <returns>Whether this call has done it.</returns>
    public async Task<bool> RefreshAsync(MaskedField field, DuplicateWindow window, CancellationToken stopping)
    {
        await using var connection = await database.Source.OpenConnectionAsync(stopping);
        await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.ReadCommitted, stopping);
        var now = time.GetUtcNow();
        await using (var begin = new NpgsqlCommand(BeginRefresh, connection)
        {
            Parameters =
            {
                new NpgsqlParameter<string>("field", field.Name),
                new NpgsqlParameter<string>("time_window", window.Name),
                new NpgsqlParameter<DateTimeOffset>("fresh_after", now - (options.Value.RefreshEvery / 2)),
            },
        })
        {
            if (await begin.ExecuteScalarAsync(stopping) is not true)
                return false;
        }

        await using var refresh = new NpgsqlCommand(RefreshDuplicates.Replace("masked_field", field.Column, StringComparison.Ordinal),
            connection)
        {
            CommandTimeout = (int)options.Value.Timeout.TotalSeconds,
            Parameters =
            {
                new NpgsqlParameter<string>("field", field.Name),
                new NpgsqlParameter<string>("time_window", window.Name),
                new NpgsqlParameter<DateTimeOffset>("refreshed_at", now),
                new NpgsqlParameter("since", NpgsqlDbType.Date) { Value = window.Since(now) as object ?? DBNull.Value },
                new NpgsqlParameter<int>("most", options.Value.MaxGroups),
            },
        };
        await refresh.ExecuteNonQueryAsync(stopping);
        await transaction.CommitAsync(stopping);
        return true;
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (true)
        {
            var began = time.GetTimestamp();
            try
            {
                var done = 0;
                foreach (var window in DuplicateWindow.All)
                {
                    foreach (var field in MaskedField.All)
                        done += await RefreshAsync(field, window, stoppingToken) ? 1 : 0;
                }

                if (done > 0)
                    logger.DuplicatesRefreshed(time.GetElapsedTime(began).TotalSeconds);
            }
            catch (Exception e) when (e is NpgsqlException or TimeoutException)
            {
                logger.DuplicatesNotRefreshed(DatabaseProblem.Describe(e));
            }

            var pause = time.GetElapsedTime(began) * PausePerWork;
            await Task.Delay(pause > options.Value.RefreshEvery ? pause : options.Value.RefreshEvery, time, stoppingToken);
        }
    }
}
