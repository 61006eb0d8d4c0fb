using Npgsql;
using PiiMasking.MaskingService.Keys;
using PiiMasking.MaskingService.Storage;

namespace PiiMasking.MaskingService.Masking;

/// <summary>What came of checking keysets against the database.</summary>
internal abstract record ClaimOutcome
{
    private ClaimOutcome() { }

    /// <summary>The keysets belong to the data, which is under these keys.</summary>
    public sealed record Claimed(GenerationKeys Keys) : ClaimOutcome;

    /// <summary>The keysets belong to the data and lack the key that it moves to: they are older than the rotation.</summary>
    public sealed record Behind(uint KeyId) : ClaimOutcome;

    /// <summary>The keysets do not belong to the data. Says why and what to do.</summary>
    public sealed record Foreign(string Problem) : ClaimOutcome;
}

/// <summary>
/// Binds keysets and database to each other. The first keyset claims an empty database; from then on one that does not open the
/// canaries is refused before it can make a token: two keysets on one table would split every duplicate for good.
/// </summary>
internal static class GenerationClaim
{
    private static readonly string ReadUnderLock = Sql.Load("claim_generation.sql");

    /// <summary>Checks the keysets, claims the database if nobody has, and leaves a canary for each key that has none yet.</summary>
    /// <exception cref="NpgsqlException">The database is away; nothing is changed.</exception>
    public static async Task<ClaimOutcome> ClaimAsync(NpgsqlDataSource database, KeysetState keys, CancellationToken cancellation)
    {
        await using var connection = await database.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        var (generation, canaries) = await ReadAsync(connection, cancellation);

        if (FindForeign(keys, canaries) is { } problem)
            return new ClaimOutcome.Foreign(problem);
        var claimed = generation ?? new GenerationKeys(keys.Masking.PrimaryKeyId, null);
        if (!keys.CanMaskUnder(claimed.KeyId))
        {
            return new ClaimOutcome.Foreign(
                $"The table is under key {claimed.KeyId}, which the masking keyset has not enabled. "
                + "Load the keyset that has it, or enable the key.");
        }

        if (claimed.NextKeyId is { } next && !keys.CanMaskUnder(next))
            return new ClaimOutcome.Behind(next);
        if (generation is null)
            await InsertAsync(connection, "INSERT INTO key_generation (key_id) VALUES ($1)", cancellation, (long)claimed.KeyId);
        foreach (var (keyset, id, token) in Canary.Make(keys))
        {
            if (!canaries.ContainsKey((keyset, id)))
                await InsertAsync(connection, "INSERT INTO key_canaries (keyset, key_id, token) VALUES ($1, $2, $3)", cancellation, keyset, (long)id, token);
        }

        await transaction.CommitAsync(cancellation);
        return new ClaimOutcome.Claimed(claimed);
    }

    private static string? FindForeign(KeysetState keys, Dictionary<(string Keyset, uint KeyId), byte[]> canaries)
    {
        foreach (var keyset in Canary.Keysets)
        {
            var known = canaries.Where(canary => canary.Key.Keyset == keyset && Canary.HasEnabledKey(keys, keyset, canary.Key.KeyId)).ToArray();
            if (canaries.Keys.Any(key => key.Keyset == keyset) && known.Length == 0)
            {
                return $"The {keyset} keyset has none of the keys that this database was written with. It belongs to other data: "
                    + "load the right secret, or connect to the right database.";
            }

            foreach (var ((_, id), token) in known)
            {
                if (!Canary.Opens(keys, keyset, token))
                {
                    return $"Key {id} of the {keyset} keyset is not the key {id} that this database was written with. "
                        + "Load the right secret, or connect to the right database.";
                }
            }
        }

        return null;
    }

    private static async Task<(GenerationKeys? Generation, Dictionary<(string, uint), byte[]> Canaries)> ReadAsync(
        NpgsqlConnection connection, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(ReadUnderLock, connection);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        await reader.NextResultAsync(cancellation);
        GenerationKeys? generation = null;
        var canaries = new Dictionary<(string, uint), byte[]>();
        while (await reader.ReadAsync(cancellation))
        {
            generation = reader.IsDBNull(0) ? null
                : new GenerationKeys(checked((uint)reader.GetInt64(0)), reader.IsDBNull(1) ? null : checked((uint)reader.GetInt64(1)));
            if (!reader.IsDBNull(2))
                canaries.Add((reader.GetString(2), checked((uint)reader.GetInt64(3))), reader.GetFieldValue<byte[]>(4));
        }

        return (generation, canaries);
    }

    private static async Task InsertAsync(NpgsqlConnection connection, string sql, CancellationToken cancellation, params object[] values)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        foreach (var value in values)
            command.Parameters.Add(new NpgsqlParameter { Value = value });
        await command.ExecuteNonQueryAsync(cancellation);
    }
}
