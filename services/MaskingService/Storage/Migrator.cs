using System.Security.Cryptography;
using System.Text;
using Npgsql;

namespace PiiMasking.MaskingService.Storage;

/// <summary>Brings a database to this version's schema: numbered files, forward only, all pending ones in one transaction.</summary>
internal static class Migrator
{
    /// <summary>Applies what is missing. Several may run at once: one works, the others wait and find nothing to do.</summary>
    /// <param name="connection">Open, of the role that owns the tables.</param>
    /// <param name="stopping">Cancels; the transaction is then rolled back as a whole.</param>
    /// <returns>File names of the migrations that this call applied.</returns>
    /// <exception cref="MigrationException">The database holds a migration that this version does not know or that was edited since.</exception>
    public static async Task<IReadOnlyList<string>> ApplyAsync(NpgsqlConnection connection, CancellationToken stopping)
    {
        await using var transaction = await connection.BeginTransactionAsync(stopping);
        await ExecuteAsync(connection, Sql.Load("begin_migration.sql"), stopping);
        var applied = await ReadAppliedAsync(connection, stopping);
        foreach (var name in applied.Keys.Except(Sql.Migrations))
            throw new MigrationException($"The database has migration {name}, which this version does not know. Run a version that has it.");

        var done = new List<string>();
        foreach (var name in Sql.Migrations)
        {
            var text = Sql.Load(name);
            var checksum = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
            if (applied.TryGetValue(name, out var known))
            {
                if (known != checksum)
                    throw new MigrationException($"Migration {name} differs from the one that the database has. A landed migration is never edited; add a new one.");
                continue;
            }

            await ExecuteAsync(connection, text, stopping);
            await using var record = new NpgsqlCommand("INSERT INTO schema_migrations (name, checksum) VALUES ($1, $2)", connection)
            {
                Parameters = { new() { Value = name }, new() { Value = checksum } },
            };
            await record.ExecuteNonQueryAsync(stopping);
            done.Add(name);
        }

        await transaction.CommitAsync(stopping);
        return done;
    }

    private static async Task<Dictionary<string, string>> ReadAppliedAsync(NpgsqlConnection connection, CancellationToken stopping)
    {
        await using var command = new NpgsqlCommand("SELECT name, checksum FROM schema_migrations", connection);
        await using var reader = await command.ExecuteReaderAsync(stopping);
        var applied = new Dictionary<string, string>();
        while (await reader.ReadAsync(stopping))
            applied.Add(reader.GetString(0), reader.GetString(1));
        return applied;
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken stopping)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(stopping);
    }
}

/// <summary>The database's schema and this version do not go together. The message says what to do.</summary>
internal sealed class MigrationException(string message) : Exception(message);
