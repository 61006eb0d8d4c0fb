using Npgsql;
using PiiMasking.MaskingService.Duplicates;
using PiiMasking.MaskingService.Masking;
using PiiMasking.MaskingService.People;
using PiiMasking.MaskingService.Storage;

namespace PiiMasking.MaskingService.Erasure;

/// <summary>Puts the roll-up of duplicates right at once where an erasure has taken logins away.</summary>
internal sealed class TouchedDuplicates(PeopleDatabase database)
{
    private const int TokensAtOnce = 1_000;

    private static readonly string Recount = Sql.Load("recount_duplicates.sql");

    /// <summary>
    /// Counts groups anew. A refresh that is under way, and so does not know of the erasure yet, is waited for; one that takes long is not,
    /// and the next refresh puts it right.
    /// </summary>
    /// <param name="tokens">Of the rows that are gone, by field.</param>
    /// <param name="stopping">Gives up.</param>
    public async Task RecountAsync(IReadOnlyDictionary<MaskedField, HashSet<string>> tokens, CancellationToken stopping)
    {
        foreach (var (field, touched) in tokens)
        {
            foreach (var chunk in touched.Chunk(TokensAtOnce))
            {
                foreach (var window in DuplicateWindow.All)
                    await RecountAsync(field, window, chunk, stopping);
            }
        }
    }

    private async Task RecountAsync(MaskedField field, DuplicateWindow window, string[] tokens, CancellationToken stopping)
    {
        await using var connection = await database.Source.OpenConnectionAsync(stopping);
        await using var transaction = await connection.BeginTransactionAsync(stopping);
        await using var turn = new NpgsqlCommand(
            "SET LOCAL lock_timeout = '5s'; SELECT pg_advisory_xact_lock(8099004711029928295)", connection);
        await using var recount = new NpgsqlCommand(Recount.Replace("masked_field", field.Column, StringComparison.Ordinal), connection)
        {
            CommandTimeout = 0,
            Parameters =
            {
                new NpgsqlParameter<string>("field", field.Name),
                new NpgsqlParameter<string>("time_window", window.Name),
                new NpgsqlParameter<string[]>("tokens", tokens),
            },
        };
        try
        {
            await turn.ExecuteNonQueryAsync(stopping);
            await recount.ExecuteNonQueryAsync(stopping);
            await transaction.CommitAsync(stopping);
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.LockNotAvailable)
        {
            await transaction.RollbackAsync(stopping);
        }
    }
}
