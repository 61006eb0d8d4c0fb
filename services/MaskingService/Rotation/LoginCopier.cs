using Npgsql;
using NpgsqlTypes;
using PiiMasking.MaskingService.Keys;
using PiiMasking.MaskingService.Masking;
using PiiMasking.MaskingService.Storage;

namespace PiiMasking.MaskingService.Rotation;

/// <summary>A rotation that this replica holds the turn for, and how far the copy is.</summary>
internal sealed record Turn(long Number, uint FromKeyId, uint ToKeyId, string Phase, (DateOnly Date, Guid Id) CopiedTo)
{
    private static readonly string TakeTurn = Sql.Load("take_turn.sql");

    /// <summary>Takes the turn for the rest of the connection's transaction.</summary>
    /// <returns>Null if there is nothing to do, or another replica is at it.</returns>
    public static async Task<Turn?> TryTakeAsync(NpgsqlConnection connection, Guid workerId, TimeSpan workerGoneAfter, CancellationToken stopping)
    {
        await using (var take = new NpgsqlCommand("SELECT pg_try_advisory_xact_lock(rotation_lock())", connection))
        {
            if (await take.ExecuteScalarAsync(stopping) is not true)
                return null;
        }

        await using var command = new NpgsqlCommand(TakeTurn, connection)
        {
            Parameters = { new NpgsqlParameter<Guid>("worker_id", workerId), new NpgsqlParameter<TimeSpan>("worker_gone_after", workerGoneAfter) },
        };
        await using var reader = await command.ExecuteReaderAsync(stopping);
        if (!await reader.ReadAsync(stopping))
            return null;
        return new Turn(
            reader.GetInt64(0), checked((uint)reader.GetInt64(1)), checked((uint)reader.GetInt64(2)), reader.GetString(3),
            await reader.IsDBNullAsync(4, stopping) ? (DateOnly.MinValue, Guid.Empty)
                : (reader.GetFieldValue<DateOnly>(4), reader.GetGuid(5)));
    }
}

/// <summary>Copies logins into the shadow, a chunk in a transaction, and masks them again under the next key on the way.</summary>
internal sealed class LoginCopier(Keyring keyring)
{
    private static readonly string ReadChunk = Sql.Load("read_chunk.sql");
    private static readonly string WriteChunk = Sql.Load("write_chunk.sql");

    private sealed record Copied(
        DateOnly CreateDate, Guid MessageId, string UserId, string? DeviceType, string MaskedIp, string MaskedDeviceId, string? Locale,
        int? AppVersion);

    /// <summary>Copies the next chunk, in the connection's transaction, which has the turn.</summary>
    /// <param name="connection">Of a member of pii_rotator.</param>
    /// <param name="turn">Where the copy is.</param>
    /// <param name="rows">How many logins at most.</param>
    /// <param name="since">Since when this replica has been at it: counted as time of copying.</param>
    /// <param name="stopping">Cancels.</param>
    /// <returns>How many it was, fewer than asked for at the end, and whether logins come in at the moment.</returns>
    /// <exception cref="KeyUnavailableException">The keyset lacks one of the two keys.</exception>
    /// <exception cref="TokenUnreadableException">A login cannot be carried over.</exception>
    public async Task<(int Copied, bool IsBusy)> CopyAsync(
        NpgsqlConnection connection, Turn turn, int rows, Func<TimeSpan> since, CancellationToken stopping)
    {
        var keys = keyring.Current ?? throw new KeyUnavailableException(turn.ToKeyId);
        foreach (var keyId in (ReadOnlySpan<uint>)[turn.FromKeyId, turn.ToKeyId])
        {
            if (!keys.CanMaskUnder(keyId))
                throw new KeyUnavailableException(keyId);
        }

        var (chunk, isBusy) = await ReadAsync(connection, turn, rows, keys, stopping);
        await WriteAsync(connection, turn, chunk, isLast: chunk.Count < rows, since(), stopping);
        return (chunk.Count, isBusy);
    }

    private static async Task<(List<Copied> Chunk, bool IsBusy)> ReadAsync(
        NpgsqlConnection connection, Turn turn, int rows, KeysetState keys, CancellationToken stopping)
    {
        await using var command = new NpgsqlCommand(ReadChunk, connection)
        {
            Parameters =
            {
                new NpgsqlParameter<DateOnly>("after_date", turn.CopiedTo.Date),
                new NpgsqlParameter<Guid>("after_id", turn.CopiedTo.Id),
                new NpgsqlParameter<int>("count", rows),
            },
        };
        await using var reader = await command.ExecuteReaderAsync(stopping);
        await reader.NextResultAsync(stopping);
        var chunk = new List<Copied>(rows);
        while (await reader.ReadAsync(stopping))
        {
            var messageId = reader.GetGuid(1);
            chunk.Add(new Copied(
                reader.GetFieldValue<DateOnly>(0), messageId, reader.GetString(2), Text(3),
                FieldMask.MaskAgain(keys.Ip, turn.ToKeyId, reader.GetString(4)) ?? throw new TokenUnreadableException(messageId),
                FieldMask.MaskAgain(keys.DeviceId, turn.ToKeyId, reader.GetString(5)) ?? throw new TokenUnreadableException(messageId),
                Text(6), await reader.IsDBNullAsync(7, stopping) ? null : reader.GetInt32(7)));
        }

        await reader.NextResultAsync(stopping);
        return (chunk, await reader.ReadAsync(stopping) && reader.GetBoolean(0));

        string? Text(int column) => reader.IsDBNull(column) ? null : reader.GetString(column);
    }

    private static async Task WriteAsync(
        NpgsqlConnection connection, Turn turn, List<Copied> chunk, bool isLast, TimeSpan spent, CancellationToken stopping)
    {
        var (lastDate, lastId) = chunk.Count > 0 ? (chunk[^1].CreateDate, chunk[^1].MessageId) : turn.CopiedTo;
        await using var command = new NpgsqlCommand(WriteChunk, connection)
        {
            Parameters =
            {
                Column("create_dates", NpgsqlDbType.Date, login => login.CreateDate),
                Column("message_ids", NpgsqlDbType.Uuid, login => login.MessageId),
                Column("user_ids", NpgsqlDbType.Text, login => login.UserId),
                Column("device_types", NpgsqlDbType.Text, login => login.DeviceType),
                Column("masked_ips", NpgsqlDbType.Text, login => login.MaskedIp),
                Column("masked_device_ids", NpgsqlDbType.Text, login => login.MaskedDeviceId),
                Column("locales", NpgsqlDbType.Text, login => login.Locale),
                Column("app_versions", NpgsqlDbType.Integer, login => login.AppVersion),
                new NpgsqlParameter<DateOnly>("copied_date", lastDate),
                new NpgsqlParameter<Guid>("copied_id", lastId),
                new NpgsqlParameter<double>("seconds", spent.TotalSeconds),
                new NpgsqlParameter<bool>("is_last", isLast),
                new NpgsqlParameter<long>("number", turn.Number),
            },
        };
        await command.ExecuteNonQueryAsync(stopping);

        NpgsqlParameter<T[]> Column<T>(string name, NpgsqlDbType type, Func<Copied, T> value) =>
            new(name, NpgsqlDbType.Array | type) { TypedValue = [.. chunk.Select(value)] };
    }
}
