using Microsoft.Extensions.Options;
using Npgsql;
using PiiMasking.MaskingService.Keys;
using PiiMasking.MaskingService.People;
using PiiMasking.MaskingService.Rotation;
using PiiMasking.MaskingService.Storage;
using PiiMasking.Tink;

namespace PiiMasking.MaskingService.Audit;

/// <summary>
/// The integrity keyset: read from the secret store, checked against the database, read again on the schedule of the other keysets. Its
/// absence concerns people only; logins are stored without it. A new primary key computes nothing before every replica knows it: what one of
/// them computes, the others have to be able to verify.
/// </summary>
internal sealed class IntegrityKeys(
    KeysetSource source, PeopleDatabase database, IOptions<KeyOptions> options, IOptions<RotationOptions> rotation, TimeProvider time,
    ILogger<IntegrityKeys> logger) : BackgroundService
{
    private const string Name = "integrity";
    private static readonly TimeSpan RetryInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(15);
    private static readonly string ReadCanaries = Sql.Load("claim_integrity.sql");

    private const string EveryReplicaKnowsIt = """
        SELECT NOT EXISTS (
            SELECT FROM replicas
            WHERE seen_at > clock_timestamp() - $2 AND integrity_keys <> '{}' AND NOT integrity_keys @> ARRAY[$1::bigint])
        """;

    private volatile Mac? current;
    private volatile bool isPrimaryKnown = true;
    private volatile string problem = "The integrity keyset has not been read yet.";

    private static ReadOnlySpan<byte> Canary => "canary"u8;

    /// <summary>Computes and checks MACs under the keyset that the database was claimed with.</summary>
    /// <exception cref="PeopleUnavailableException">There is none yet; says why and what to do.</exception>
    public Mac Require() => current ?? throw new PeopleUnavailableException(problem);

    /// <summary>Computes and checks MACs; null as long as there is no keyset.</summary>
    public Mac? Current => current;

    /// <inheritdoc />
    public override void Dispose()
    {
        current?.Dispose();
        base.Dispose();
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var retry = RetryInterval;
        while (true)
        {
            var found = await ReadAsync(stoppingToken);
            if (found is null)
            {
                retry = RetryInterval;
            }
            else
            {
                if (found != problem)
                    logger.NoIntegrityKeyset(found);
                problem = found;
            }

            var pause = found is not null ? retry : isPrimaryKnown ? options.Value.ReloadEvery : rotation.Value.CheckEvery;
            await Task.Delay(pause < options.Value.ReloadEvery ? pause : options.Value.ReloadEvery, time, stoppingToken);
            if (found is not null && retry < LongestRetry)
                retry *= 2;
        }
    }

    /// <summary>Reads the keyset now and checks it against the database.</summary>
    /// <returns>What is wrong; null if nothing is. A keyset that was good stays in use.</returns>
    public async Task<string?> ReadAsync(CancellationToken stopping)
    {
        try
        {
            using var keyset = await source.ReadAsync(options.Value.Integrity, KeyKind.Mac, stopping);
            var mac = new Mac(keyset);
            var (foreign, computing) = await ClaimAsync(keyset, mac, stopping);
            if (foreign is not null)
            {
                mac.Dispose();
                return foreign;
            }

            isPrimaryKnown = computing == mac.PrimaryKeyId;
            if (!isPrimaryKnown)
            {
                mac.Dispose();
                using var before = keyset.WithPrimary(computing);
                mac = new Mac(before);
            }

            // The one before is left to the collector: a record may be under way with it.
            var isNew = current?.PrimaryKeyId != mac.PrimaryKeyId;
            current = mac;
            if (isNew)
                logger.IntegrityKeysetRead(mac.PrimaryKeyId);
            return null;
        }
        catch (KeySourceException e)
        {
            return e.Message;
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException)
        {
            return DatabaseProblem.Describe(e);
        }
    }

    /// <summary>The first integrity keyset claims the database; one that does not verify what is there does not belong to it.</summary>
    /// <returns>What is wrong, else null and the key that computes: the primary, as soon as every replica knows it.</returns>
    private async Task<(string? Foreign, uint Computing)> ClaimAsync(Keyset keyset, Mac mac, CancellationToken stopping)
    {
        await using var connection = await database.Source.OpenConnectionAsync(stopping);
        await using var transaction = await connection.BeginTransactionAsync(stopping);
        var canaries = await ReadCanariesAsync(connection, stopping);

        var enabled = keyset.Keys.Where(key => key.Status == KeyStatus.Enabled).Select(key => key.Id).ToHashSet();
        if (canaries.Count > 0 && !canaries.Keys.Any(enabled.Contains))
            return ("The integrity keyset has none of the keys that this database's audit was made with. It belongs to other data: load "
                + "the right secret.", 0);
        if (canaries.Where(canary => enabled.Contains(canary.Key)).Any(canary => !mac.Verify(canary.Value, Canary)))
            return ("A key of the integrity keyset is not the key of that id that this database's audit was made with. Load the right "
                + "secret.", 0);
        if (canaries.Count > 0 && !await IsKnownAsync(connection, mac.PrimaryKeyId, stopping))
            return (null, canaries.Keys.First(enabled.Contains));

        if (!canaries.ContainsKey(mac.PrimaryKeyId))
        {
            await using var insert = new NpgsqlCommand("INSERT INTO key_canaries (keyset, key_id, token) VALUES ($1, $2, $3)", connection)
            {
                Parameters = { new() { Value = Name }, new() { Value = (long)mac.PrimaryKeyId }, new() { Value = mac.Compute(Canary) } },
            };
            await insert.ExecuteNonQueryAsync(stopping);
        }

        await transaction.CommitAsync(stopping);
        return (null, mac.PrimaryKeyId);
    }

    private async Task<bool> IsKnownAsync(NpgsqlConnection connection, uint keyId, CancellationToken stopping)
    {
        await using var command = new NpgsqlCommand(EveryReplicaKnowsIt, connection)
        {
            Parameters =
            {
                new NpgsqlParameter<long> { TypedValue = keyId }, new NpgsqlParameter<TimeSpan> { TypedValue = rotation.Value.ReplicaGoneAfter },
            },
        };
        return await command.ExecuteScalarAsync(stopping) is true;
    }

    /// <returns>The latest first.</returns>
    private static async Task<OrderedDictionary<uint, byte[]>> ReadCanariesAsync(NpgsqlConnection connection, CancellationToken stopping)
    {
        await using var command = new NpgsqlCommand(ReadCanaries, connection);
        await using var reader = await command.ExecuteReaderAsync(stopping);
        await reader.NextResultAsync(stopping);
        var canaries = new OrderedDictionary<uint, byte[]>();
        while (await reader.ReadAsync(stopping))
            canaries.Add(checked((uint)reader.GetInt64(0)), reader.GetFieldValue<byte[]>(1));
        return canaries;
    }
}
