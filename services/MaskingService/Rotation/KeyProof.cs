using System.Globalization;
using Npgsql;
using PiiMasking.MaskingService.Storage;

namespace PiiMasking.MaskingService.Rotation;

/// <summary>What in the database still needs a key.</summary>
internal sealed class KeyProof
{
    private static readonly string Text = Sql.Load("key_proof.sql");

    private readonly List<(string Keyset, uint KeyId, string What, long Items)> needs = [];
    private readonly Dictionary<(string Keyset, uint KeyId), DateTimeOffset> freeSince = [];

    private KeyProof()
    {
    }

    /// <summary>Counts, in one snapshot. Reads every login.</summary>
    /// <exception cref="NpgsqlException">The database is away.</exception>
    public static async Task<KeyProof> ReadAsync(NpgsqlDataSource database, CancellationToken cancellation)
    {
        await using var connection = await database.OpenConnectionAsync(cancellation);
        await using var snapshot = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, cancellation);
        await using var command = new NpgsqlCommand(Text, connection) { CommandTimeout = 0 };
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var proof = new KeyProof();
        while (await reader.ReadAsync(cancellation))
            proof.needs.Add((reader.GetString(0), checked((uint)reader.GetInt64(1)), reader.GetString(2), reader.GetInt64(3)));
        await reader.NextResultAsync(cancellation);
        while (await reader.ReadAsync(cancellation))
            proof.freeSince.Add((reader.GetString(0), checked((uint)reader.GetInt64(1))), reader.GetFieldValue<DateTimeOffset>(2));
        return proof;
    }

    /// <summary>Says what needs a key.</summary>
    /// <param name="keyset">masking, quarantine or integrity.</param>
    /// <param name="keyId">The key.</param>
    /// <returns>Such as "12 logins, 1 canaries"; null if nothing does.</returns>
    public string? NeedsOf(string keyset, uint keyId)
    {
        var found = needs.Where(need => need.Keyset == keyset && need.KeyId == keyId)
            .Select(need => string.Create(CultureInfo.InvariantCulture, $"{need.Items} {need.What}")).ToArray();
        return found.Length == 0 ? null : string.Join(", ", found);
    }

    /// <summary>Since when nothing has needed a key; null if nothing ever did, as far as is known.</summary>
    public DateTimeOffset? FreeSince(string keyset, uint keyId) => freeSince.TryGetValue((keyset, keyId), out var since) ? since : null;
}
