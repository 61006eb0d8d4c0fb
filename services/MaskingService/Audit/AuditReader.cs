using Npgsql;
using NpgsqlTypes;
using PiiMasking.MaskingService.Storage;

namespace PiiMasking.MaskingService.Audit;

/// <summary>Reads the chain.</summary>
internal static class AuditReader
{
    private static readonly string ReadAudit = Sql.Load("read_audit.sql");

    /// <summary>Which records to read.</summary>
    /// <param name="After">Those with a higher number.</param>
    /// <param name="Count">So many at most.</param>
    /// <param name="Subject">Of this subject only, unless null.</param>
    /// <param name="Action">Of this action only, unless null.</param>
    public readonly record struct Stretch(long After, int Count, string? Subject = null, string? Action = null);

    /// <returns>The command that <see cref="Current"/> reads the rows of.</returns>
    public static NpgsqlCommand CreateCommand(NpgsqlConnection connection, Stretch stretch) => new(ReadAudit, connection)
    {
        Parameters =
        {
            new NpgsqlParameter<long>("after", stretch.After),
            new NpgsqlParameter<int>("count", stretch.Count),
            new NpgsqlParameter<string?>("subject", NpgsqlDbType.Text) { TypedValue = stretch.Subject },
            new NpgsqlParameter<string?>("action", NpgsqlDbType.Text) { TypedValue = stretch.Action },
        },
    };

    /// <summary>Reads a stretch.</summary>
    public static async Task<List<AuditRecord>> ReadAsync(NpgsqlConnection connection, Stretch stretch, CancellationToken cancellation)
    {
        await using var command = CreateCommand(connection, stretch);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var records = new List<AuditRecord>();
        while (await reader.ReadAsync(cancellation))
            records.Add(Current(reader));
        return records;
    }

    /// <summary>The end of the chain as the database says it.</summary>
    /// <returns>Null if that row is gone.</returns>
    public static async Task<AuditHead?> ReadHeadAsync(NpgsqlConnection connection, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("SELECT number, mac FROM audit_head", connection);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        return await reader.ReadAsync(cancellation) ? new AuditHead(reader.GetInt64(0), reader.GetFieldValue<byte[]>(1)) : null;
    }

    /// <summary>The record of the current row.</summary>
    public static AuditRecord Current(NpgsqlDataReader row)
    {
        return new AuditRecord(
            row.GetInt64(0), row.GetFieldValue<DateTimeOffset>(1), row.GetString(2), row.GetString(3), Text(4), Text(5), Text(6), Text(7),
            Text(8), Text(9), Text(10), Text(11), row.GetInt32(12), row.GetInt32(13), row.GetInt32(14), row.GetFieldValue<byte[]>(15),
            row.GetString(16),
            row.GetInt32(17), row.GetFieldValue<byte[]>(18));

        string? Text(int column) => row.IsDBNull(column) ? null : row.GetString(column);
    }
}
