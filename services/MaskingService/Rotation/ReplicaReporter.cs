using Microsoft.Extensions.Options;
using Npgsql;
using NpgsqlTypes;
using PiiMasking.MaskingService.Audit;
using PiiMasking.MaskingService.Keys;
using PiiMasking.MaskingService.Masking;
using PiiMasking.MaskingService.Storage;
using PiiMasking.Tink;

namespace PiiMasking.MaskingService.Rotation;

/// <summary>Says in the database which keys this replica has: nothing is made with a key that one of them does not know.</summary>
internal sealed class ReplicaReporter(
    NpgsqlDataSource database, Keyring keyring, IntegrityKeys integrity, Generation generation, IOptions<RotationOptions> options,
    TimeProvider time, ILogger<ReplicaReporter> logger) : BackgroundService
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);
    private static readonly string ReportReplica = Sql.Load("report_replica.sql");

    /// <summary>Names this replica for as long as the process lives.</summary>
    public Guid ReplicaId { get; } = Guid.NewGuid();

    /// <inheritdoc />
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        // So that nobody waits for a replica that has gone in good order. If it does not work, its row grows old.
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(Patience);
        try
        {
            await using var command = database.CreateCommand("DELETE FROM replicas WHERE replica_id = $1");
            command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = ReplicaId });
            await command.ExecuteNonQueryAsync(patience.Token);
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException or OperationCanceledException)
        {
            logger.ReplicaNotReported(DatabaseProblem.Describe(e));
        }
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await keyring.WhenLoadedAsync(stoppingToken);
        while (true)
        {
            try
            {
                await ReportAsync(keyring.Current!, stoppingToken);
            }
            catch (Exception e) when (e is NpgsqlException or TimeoutException)
            {
                logger.ReplicaNotReported(DatabaseProblem.Describe(e));
            }

            await Task.Delay(options.Value.CheckEvery, time, stoppingToken);
        }
    }

    private async Task ReportAsync(KeysetState keys, CancellationToken stopping)
    {
        await using var command = database.CreateCommand(ReportReplica);
        var mac = integrity.Current;
        command.Parameters.Add(new NpgsqlParameter<Guid>("replica_id", ReplicaId));
        command.Parameters.Add(new NpgsqlParameter<long>("masking_primary", keys.Masking.PrimaryKeyId));
        command.Parameters.Add(Keys("masking_keys", Enabled(keys.Masking)));
        command.Parameters.Add(new NpgsqlParameter<long>("quarantine_primary", keys.Quarantine.PrimaryKeyId));
        command.Parameters.Add(Keys("quarantine_keys", Enabled(keys.QuarantineKeyset)));
        command.Parameters.Add(new NpgsqlParameter<long?>("integrity_primary", NpgsqlDbType.Bigint) { TypedValue = mac?.PrimaryKeyId });
        command.Parameters.Add(Keys("integrity_keys", mac?.KeyIds ?? []));
        await using var reader = await command.ExecuteReaderAsync(stopping);
        // A replica that stores nothing learns only here that the table has moved on, and which keys its keyset may lack by now.
        if (await reader.ReadAsync(stopping) && generation.Keys is not null)
        {
            generation.Keys = new GenerationKeys(
                checked((uint)reader.GetInt64(0)), await reader.IsDBNullAsync(1, stopping) ? null : checked((uint)reader.GetInt64(1)));
        }

        static IEnumerable<uint> Enabled(Keyset keyset) => keyset.Keys.Where(key => key.Status == KeyStatus.Enabled).Select(key => key.Id);

        static NpgsqlParameter Keys(string name, IEnumerable<uint> ids) =>
            new NpgsqlParameter<long[]>(name, NpgsqlDbType.Array | NpgsqlDbType.Bigint) { TypedValue = [.. ids.Select(id => (long)id)] };
    }
}
