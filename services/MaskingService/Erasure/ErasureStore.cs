using Npgsql;
using NpgsqlTypes;
using PiiMasking.MaskingService.Storage;

namespace PiiMasking.MaskingService.Erasure;

/// <summary>An erasure that is not completed.</summary>
/// <param name="UserId">Null where only the fingerprint is known: it came from a receipt, and no login is this user's.</param>
internal sealed record PendingErasure(
    Guid ErasureId, byte[] Fingerprint, uint KeyId, DateTimeOffset ErasedAt, bool IsReapplied, string? UserId)
{
    /// <returns>The id: a user is never printed.</returns>
    public override string ToString() => ErasureId.ToString();
}

/// <summary>Reads and writes erasures.</summary>
internal static class ErasureStore
{
    private static readonly string BeginErasure = Sql.Load("begin_erasure.sql");
    private static readonly string InsertErasure = Sql.Load("insert_erasure.sql");
    private static readonly string ReadPending = Sql.Load("read_pending_erasures.sql");
    private static readonly string ListErasures = Sql.Load("list_erasures.sql");

    /// <summary>Takes the writers' lock for the rest of the transaction.</summary>
    public static async Task LockOutWritersAsync(NpgsqlConnection connection, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(BeginErasure, connection);
        await command.ExecuteNonQueryAsync(cancellation);
    }

    /// <summary>Writes the fingerprint, under the writers' lock.</summary>
    /// <param name="connection">In the transaction that holds the lock.</param>
    /// <param name="erasure">What to write.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>False if it is there already.</returns>
    public static async Task<bool> TryInsertAsync(
        NpgsqlConnection connection, PendingErasure erasure, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(InsertErasure, connection)
        {
            Parameters =
            {
                new NpgsqlParameter<Guid>("erasure_id", erasure.ErasureId),
                new NpgsqlParameter<byte[]>("fingerprint", erasure.Fingerprint),
                new NpgsqlParameter<long>("key_id", erasure.KeyId),
                new NpgsqlParameter<DateTimeOffset>("erased_at", erasure.ErasedAt),
                new NpgsqlParameter<bool>("reapplied", erasure.IsReapplied),
                new NpgsqlParameter<string?>("user_id", NpgsqlDbType.Varchar) { TypedValue = erasure.UserId },
            },
        };
        return await command.ExecuteNonQueryAsync(cancellation) > 0;
    }

    /// <summary>Erasures that are not completed.</summary>
    public static async Task<List<PendingErasure>> ReadPendingAsync(NpgsqlDataSource database, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand(ReadPending);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var pending = new List<PendingErasure>();
        while (await reader.ReadAsync(cancellation))
        {
            pending.Add(new PendingErasure(
                reader.GetGuid(0), reader.GetFieldValue<byte[]>(1), checked((uint)reader.GetInt64(2)),
                reader.GetFieldValue<DateTimeOffset>(3), reader.GetBoolean(4),
                await reader.IsDBNullAsync(5, cancellation) ? null : reader.GetString(5)));
        }

        return pending;
    }

    /// <summary>One erasure, completed or not, without a MAC.</summary>
    /// <returns>Null if there is none of this id.</returns>
    public static async Task<ErasureReceipt?> FindAsync(NpgsqlDataSource database, Guid erasureId, CancellationToken cancellation) =>
        (await ListAsync(database, DateTimeOffset.MinValue, Guid.Empty, 1, cancellation, erasureId)).SingleOrDefault();

    /// <summary>Erasures in the order of their times, without MACs.</summary>
    public static async Task<List<ErasureReceipt>> ListAsync(
        NpgsqlDataSource database, DateTimeOffset afterAt, Guid afterId, int count, CancellationToken cancellation, Guid? erasureId = null)
    {
        await using var command = database.CreateCommand(ListErasures);
        command.Parameters.Add(new NpgsqlParameter<DateTimeOffset>("after_at", afterAt));
        command.Parameters.Add(new NpgsqlParameter<Guid>("after_id", afterId));
        command.Parameters.Add(new NpgsqlParameter("erasure_id", NpgsqlDbType.Uuid) { Value = erasureId as object ?? DBNull.Value });
        command.Parameters.Add(new NpgsqlParameter<int>("count", count));
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var erasures = new List<ErasureReceipt>();
        while (await reader.ReadAsync(cancellation))
        {
            erasures.Add(new ErasureReceipt(
                reader.GetGuid(0), reader.GetFieldValue<byte[]>(1), checked((uint)reader.GetInt64(2)),
                reader.GetFieldValue<DateTimeOffset>(3),
                await reader.IsDBNullAsync(4, cancellation) ? null : reader.GetFieldValue<DateTimeOffset>(4),
                reader.GetInt64(5), reader.GetInt64(6), reader.GetInt64(7), reader.GetInt64(8), Mac: null));
        }

        return erasures;
    }
}
