using System.Data;
using Npgsql;
using PiiMasking.MaskingService.Masking;
using PiiMasking.MaskingService.People;
using PiiMasking.MaskingService.Storage;

namespace PiiMasking.MaskingService.LookUp;

/// <summary>Finds the logins of a value by its tokens.</summary>
internal sealed class LoginFinder(PeopleDatabase database)
{
    // Up to here all of them are fetched by the token's index and sorted: some 20 ms.
    private const int Rare = 10_000;

    // The table first, so that it stays under its key until this is over; the snapshot is taken by the statement after it.
    private const string ReadGeneration = "LOCK TABLE user_logins IN ACCESS SHARE MODE; SELECT key_id FROM key_generation";

    private static readonly string CountLogins = Sql.Load("count_logins.sql");
    private static readonly string SearchLogins = Sql.Load("search_logins.sql");
    private static readonly string SearchRareLogins = Sql.Load("search_rare_logins.sql");

    /// <returns>The key that the table is under, how many logins there are, null if more than 10,000, and the page: all of one moment.</returns>
    /// <exception cref="GenerationMissingException">No keyset has claimed the database.</exception>
    public async Task<(uint KeyId, int? Total, List<FoundLogin> Page)> FindAsync(
        MaskedField field, string[] tokens, (DateOnly Date, Guid Id) before, int count, CancellationToken cancellation)
    {
        await using var connection = await database.Source.OpenConnectionAsync(cancellation);
        await using var snapshot = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, cancellation);
        await using var generation = new NpgsqlCommand(ReadGeneration, connection);
        if (await generation.ExecuteScalarAsync(cancellation) is not long keyId)
            throw new GenerationMissingException();
        await using var counting = new NpgsqlCommand(Of(CountLogins, field), connection)
        {
            Parameters = { new NpgsqlParameter<string[]>("tokens", tokens), new NpgsqlParameter<int>("most", Rare + 1) },
        };
        var total = (int)(await counting.ExecuteScalarAsync(cancellation))!;

        await using var search = new NpgsqlCommand(Of(total > Rare ? SearchLogins : SearchRareLogins, field), connection)
        {
            Parameters =
            {
                new NpgsqlParameter<string[]>("tokens", tokens),
                new NpgsqlParameter<DateOnly>("before_date", before.Date),
                new NpgsqlParameter<Guid>("before_id", before.Id),
                new NpgsqlParameter<int>("count", count),
            },
        };
        await using var reader = await search.ExecuteReaderAsync(cancellation);
        var page = new List<FoundLogin>();
        while (await reader.ReadAsync(cancellation))
        {
            page.Add(new FoundLogin(
                reader.GetString(0), await TextAsync(reader, 1, cancellation), reader.GetString(2), reader.GetString(3),
                await TextAsync(reader, 4, cancellation), await reader.IsDBNullAsync(5, cancellation) ? null : reader.GetInt32(5),
                reader.GetFieldValue<DateOnly>(6), reader.GetGuid(7)));
        }

        return (checked((uint)keyId), total > Rare ? null : total, page);
    }

    private static string Of(string sql, MaskedField field) => sql.Replace("masked_field", field.Column, StringComparison.Ordinal);

    private static async Task<string?> TextAsync(NpgsqlDataReader reader, int column, CancellationToken cancellation) =>
        await reader.IsDBNullAsync(column, cancellation) ? null : reader.GetString(column);
}
