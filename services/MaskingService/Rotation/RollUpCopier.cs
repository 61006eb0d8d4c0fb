using Npgsql;
using NpgsqlTypes;
using PiiMasking.MaskingService.Duplicates;
using PiiMasking.MaskingService.Keys;
using PiiMasking.MaskingService.Masking;
using PiiMasking.MaskingService.Storage;

namespace PiiMasking.MaskingService.Rotation;

/// <summary>
/// Puts the roll-up of duplicates down under the next key as well, so that the list goes over to it in the moment in which the table does.
/// </summary>
internal sealed class RollUpCopier(RotationDatabase database, Keyring keyring)
{
    private static readonly string ReadRollUp = Sql.Load("read_roll_up.sql");
    private static readonly string WriteRollUp = Sql.Load("write_roll_up.sql");

    /// <summary>Copies all of it, each field and window in a transaction.</summary>
    /// <exception cref="KeyUnavailableException">No keyset is loaded.</exception>
    public async Task CopyAsync(uint fromKeyId, uint toKeyId, CancellationToken stopping)
    {
        var keys = keyring.Current ?? throw new KeyUnavailableException(toKeyId);
        foreach (var field in MaskedField.All)
        {
            foreach (var window in DuplicateWindow.All)
                await CopyAsync(field, window, keys, fromKeyId, toKeyId, stopping);
        }
    }

    private async Task CopyAsync(
        MaskedField field, DuplicateWindow window, KeysetState keys, uint fromKeyId, uint toKeyId, CancellationToken stopping)
    {
        await using var connection = await database.Source.OpenConnectionAsync(stopping);
        await using var transaction = await connection.BeginTransactionAsync(stopping);
        var groups = new List<(long Logins, string Token, long Users, DateOnly FirstSeen, DateOnly LastSeen)>();
        await using (var read = new NpgsqlCommand(ReadRollUp, connection)
        {
            Parameters = { Text("field", field.Name), Text("time_window", window.Name), Key("from_key_id", fromKeyId), Key("to_key_id", toKeyId) },
        })
        {
            await using var reader = await read.ExecuteReaderAsync(stopping);
            await reader.NextResultAsync(stopping);
            if (!await reader.ReadAsync(stopping) || !reader.GetBoolean(0))
                return;
            await reader.NextResultAsync(stopping);
            while (await reader.ReadAsync(stopping))
            {
                // One that does not open is of a login that was removed since; the next count leaves it out.
                if (field.MaskAgain(keys, toKeyId, reader.GetString(1)) is { } token)
                {
                    groups.Add((reader.GetInt64(0), token, reader.GetInt64(2), reader.GetFieldValue<DateOnly>(3),
                        reader.GetFieldValue<DateOnly>(4)));
                }
            }
        }

        await using var write = new NpgsqlCommand(WriteRollUp, connection)
        {
            Parameters =
            {
                Text("field", field.Name), Text("time_window", window.Name), Key("from_key_id", fromKeyId), Key("to_key_id", toKeyId),
                Column("logins", NpgsqlDbType.Bigint, [.. groups.Select(group => group.Logins)]),
                Column("tokens", NpgsqlDbType.Text, [.. groups.Select(group => group.Token)]),
                Column("users", NpgsqlDbType.Bigint, [.. groups.Select(group => group.Users)]),
                Column("first_seens", NpgsqlDbType.Date, [.. groups.Select(group => group.FirstSeen)]),
                Column("last_seens", NpgsqlDbType.Date, [.. groups.Select(group => group.LastSeen)]),
            },
        };
        await write.ExecuteNonQueryAsync(stopping);
        await transaction.CommitAsync(stopping);

        static NpgsqlParameter Text(string name, string value) => new NpgsqlParameter<string>(name, value);

        static NpgsqlParameter Key(string name, uint keyId) => new NpgsqlParameter<long>(name, keyId);

        static NpgsqlParameter Column<T>(string name, NpgsqlDbType type, T[] values) =>
            new NpgsqlParameter<T[]>(name, NpgsqlDbType.Array | type) { TypedValue = values };
    }
}
