using System.Buffers.Binary;
using Npgsql;
using NpgsqlTypes;
using PiiMasking.MaskingService.Keys;
using PiiMasking.MaskingService.Quarantine;
using PiiMasking.MaskingService.Storage;
using PiiMasking.Tink;

namespace PiiMasking.MaskingService.Rotation;

/// <summary>
/// Seals messages in quarantine again that are under another key than the quarantine keyset's primary, once every replica has that as its
/// primary too. A message that does not open stays as it is; its key stays needed, and <c>keyset proof</c> says so.
/// </summary>
internal sealed class QuarantineResealer(RotationDatabase database, Keyring keyring, ILogger<QuarantineResealer> logger)
{
    // A payload may be as large as a message: a megabyte.
    private const int MessagesAtOnce = 20;

    private const string EveryReplicaHasIt =
        "SELECT NOT EXISTS (SELECT FROM replicas WHERE seen_at > clock_timestamp() - $2 AND quarantine_primary <> $1)";

    private static readonly string ReadSealedUnder = Sql.Load("read_sealed_under.sql");
    private static readonly string WriteResealed = Sql.Load("write_resealed.sql");
    private static readonly string RetireKeys = Sql.Load("retire_quarantine_keys.sql");

    /// <summary>Does all there is to do; nothing, in a few lookups by index, at most times.</summary>
    /// <returns>How many messages were sealed again.</returns>
    public async Task<int> ResealAsync(TimeSpan replicaGoneAfter, CancellationToken stopping)
    {
        if (keyring.Current is not { } keys || !await HaveAllPrimaryAsync(keys.Quarantine.PrimaryKeyId, replicaGoneAfter, stopping))
            return 0;

        uint[] others = [.. keys.QuarantineKeyset.Keys
            .Where(key => key.Status == KeyStatus.Enabled && key.Id != keys.Quarantine.PrimaryKeyId).Select(key => key.Id)];
        var (resealed, unreadable, after) = (0, 0, Guid.Empty);
        while (others.Length > 0)
        {
            var (met, done, last) = await ResealAsync(keys.Quarantine, others, after, stopping);
            if (met == 0)
                break;
            (resealed, unreadable, after) = (resealed + done, unreadable + met - done, last);
        }

        await using var retire = database.Source.CreateCommand(RetireKeys);
        retire.Parameters.Add(new NpgsqlParameter<long>("primary", keys.Quarantine.PrimaryKeyId));
        retire.Parameters.Add(new NpgsqlParameter<long[]>("resealed", resealed > 0 ? [.. others.Select(id => (long)id)] : []));
        await retire.ExecuteNonQueryAsync(stopping);
        if (resealed > 0)
            logger.QuarantineResealed(resealed, keys.Quarantine.PrimaryKeyId, unreadable);
        return resealed;
    }

    private async Task<bool> HaveAllPrimaryAsync(uint keyId, TimeSpan replicaGoneAfter, CancellationToken stopping)
    {
        await using var command = database.Source.CreateCommand(EveryReplicaHasIt);
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = keyId });
        command.Parameters.Add(new NpgsqlParameter<TimeSpan> { TypedValue = replicaGoneAfter });
        return await command.ExecuteScalarAsync(stopping) is true;
    }

    private async Task<(int Met, int Done, Guid Last)> ResealAsync(Aead aead, uint[] keyIds, Guid after, CancellationToken stopping)
    {
        await using var connection = await database.Source.OpenConnectionAsync(stopping);
        await using var transaction = await connection.BeginTransactionAsync(stopping);
        var resealed = new List<(Guid Id, byte[] Sealed)>();
        var (met, last) = (0, after);
        await using (var read = new NpgsqlCommand(ReadSealedUnder, connection)
        {
            Parameters =
            {
                new NpgsqlParameter<byte[][]>("keys", NpgsqlDbType.Array | NpgsqlDbType.Bytea) { TypedValue = Array.ConvertAll(keyIds, Bytes) },
                new NpgsqlParameter<Guid>("after", after),
                new NpgsqlParameter<int>("count", MessagesAtOnce),
            },
        })
        {
            await using var reader = await read.ExecuteReaderAsync(stopping);
            while (await reader.ReadAsync(stopping))
            {
                (met, last) = (met + 1, reader.GetGuid(0));
                if (QuarantineSeal.TryOpen(aead, last, reader.GetFieldValue<byte[]>(1)) is { } payload)
                    resealed.Add((last, QuarantineSeal.Seal(aead, last, payload)));
            }
        }

        await using var write = new NpgsqlCommand(WriteResealed, connection)
        {
            Parameters =
            {
                new NpgsqlParameter<Guid[]>("message_ids", [.. resealed.Select(message => message.Id)]),
                new NpgsqlParameter<byte[][]>("sealed_payloads", NpgsqlDbType.Array | NpgsqlDbType.Bytea)
                {
                    TypedValue = [.. resealed.Select(message => message.Sealed)],
                },
            },
        };
        await write.ExecuteNonQueryAsync(stopping);
        await transaction.CommitAsync(stopping);
        return (met, resealed.Count, last);
    }

    private static byte[] Bytes(uint keyId)
    {
        var bytes = new byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, keyId);
        return bytes;
    }
}
