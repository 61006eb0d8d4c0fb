using System.Globalization;
using Microsoft.Extensions.Options;
using Npgsql;
using NpgsqlTypes;
using PiiMasking.MaskingService.People;
using PiiMasking.MaskingService.Storage;

namespace PiiMasking.MaskingService.Audit;

/// <summary>What came of appending a record.</summary>
internal abstract record AppendOutcome
{
    private AppendOutcome() { }

    /// <summary>The record is durable; what it says may now be done or answered.</summary>
    public sealed record Recorded(long Number) : AppendOutcome;

    /// <summary>The subject's budget of the day does not allow it. That it was refused is durable; nothing else may happen.</summary>
    public sealed record OverBudget(int Charged, int Budget) : AppendOutcome;
}

/// <summary>Appends records to the audit chain, one at a time.</summary>
/// <remarks>
/// The MAC is computed here, inside the transaction that holds the lock on the chain's end: its key is never in the database. Whatever a
/// record speaks of is answered after <see cref="AppendAsync(AuditEntry, CancellationToken)"/> has returned, and not if it has thrown.
/// </remarks>
internal sealed class AuditLog(PeopleDatabase database, IntegrityKeys integrity, IOptions<PeopleOptions> options, TimeProvider time)
    : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private static readonly string AppendAudit = Sql.Load("append_audit.sql");

    // The chain takes one record at a time anyway; waiting here instead of in the database keeps the connections for others.
    private readonly SemaphoreSlim turn = new(1);

    /// <summary>Appends a record and charges the subject's budget.</summary>
    /// <exception cref="NpgsqlException">It is not known to be durable: nothing may be answered.</exception>
    /// <exception cref="TimeoutException">The same.</exception>
    /// <exception cref="PeopleUnavailableException">There is no integrity keyset.</exception>
    public Task<AppendOutcome> AppendAsync(AuditEntry entry, CancellationToken cancellation) =>
        AppendAsync(entry.Caller.Subject, (_, _) => Task.FromResult(entry), cancellation);

    /// <summary>Does something and appends the record of it, both or neither.</summary>
    /// <param name="subject">Who does it.</param>
    /// <param name="act">Does it within the transaction and says what to record. Rolled back if the budget does not allow it.</param>
    /// <param name="cancellation">Gives up; whether it happened is then not known.</param>
    /// <inheritdoc cref="AppendAsync(AuditEntry, CancellationToken)" path="/exception" />
    public async Task<AppendOutcome> AppendAsync(
        string? subject, Func<NpgsqlConnection, CancellationToken, Task<AuditEntry>> act, CancellationToken cancellation)
    {
        if (!await turn.WaitAsync(Patience, cancellation))
            throw new TimeoutException();
        try
        {
            return await AppendInTurnAsync(subject, act, cancellation);
        }
        finally
        {
            turn.Release();
        }
    }

    /// <inheritdoc />
    public void Dispose() => turn.Dispose();

    private async Task<AppendOutcome> AppendInTurnAsync(
        string? subject, Func<NpgsqlConnection, CancellationToken, Task<AuditEntry>> act, CancellationToken cancellation)
    {
        await using var connection = await database.Source.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        var end = await BeginAsync(connection, subject, cancellation);
        await transaction.SaveAsync("nothing_done", cancellation);
        var entry = await act(connection, cancellation);

        var now = Microseconds.Of(time.GetUtcNow());
        var charged = end.SubjectAt?.UtcDateTime.Date == now.UtcDateTime.Date ? end.SubjectCharged : 0;
        var budget = options.Value.TokensPerDay;
        var isOver = entry.Charge > 0 && charged + entry.Charge > budget;
        if (isOver)
        {
            await transaction.RollbackAsync("nothing_done", cancellation);
            entry = entry with { Outcome = AuditOutcome.Refused, Detail = "over_budget", Charge = 0 };
        }

        var record = new AuditRecord(
            end.Number + 1, now, entry.Action, entry.Outcome, entry.Detail, entry.Caller.Subject, entry.Caller.Client, entry.Caller.Address,
            entry.Reason, entry.Ticket, entry.Field, entry.Target, entry.Tokens, entry.Charge, charged + entry.Charge, entry.Fingerprints,
            string.Join(',', entry.KeyIds.Select(id => id.ToString(CultureInfo.InvariantCulture))), entry.Occurrences, []);
        record = record with { Mac = integrity.Require().Compute(record.Canonical(end.Mac)) };
        await using var append = CreateCommand(connection, record);
        await append.ExecuteNonQueryAsync(cancellation);
        await transaction.CommitAsync(cancellation);
        return isOver ? new AppendOutcome.OverBudget(charged, budget) : new AppendOutcome.Recorded(record.Number);
    }

    private static async Task<(long Number, byte[] Mac, DateTimeOffset? SubjectAt, int SubjectCharged)> BeginAsync(
        NpgsqlConnection connection, string? subject, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("SELECT last_number, last_mac, subject_at, subject_charged FROM begin_audit($1)",
            connection);
        command.Parameters.Add(new NpgsqlParameter<string?> { TypedValue = subject, NpgsqlDbType = NpgsqlDbType.Text });
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        await reader.ReadAsync(cancellation);
        return await reader.IsDBNullAsync(2, cancellation)
            ? (reader.GetInt64(0), reader.GetFieldValue<byte[]>(1), null, 0)
            : (reader.GetInt64(0), reader.GetFieldValue<byte[]>(1), reader.GetFieldValue<DateTimeOffset>(2), reader.GetInt32(3));
    }

    private static NpgsqlCommand CreateCommand(NpgsqlConnection connection, AuditRecord record)
    {
        return new NpgsqlCommand(AppendAudit, connection)
        {
            Parameters =
            {
                new NpgsqlParameter<long>("number", record.Number),
                new NpgsqlParameter<DateTimeOffset>("recorded_at", record.RecordedAt),
                Text("action", record.Action),
                Text("outcome", record.Outcome),
                Text("detail", record.Detail),
                Text("subject", record.Subject),
                Text("client", record.Client),
                Text("address", record.Address),
                Text("reason", record.Reason),
                Text("ticket", record.Ticket),
                Text("field", record.Field),
                Text("target", record.Target),
                new NpgsqlParameter<int>("tokens", record.Tokens),
                new NpgsqlParameter<int>("charged", record.Charged),
                new NpgsqlParameter<int>("charged_today", record.ChargedToday),
                new NpgsqlParameter<byte[]>("fingerprints", record.Fingerprints),
                Text("key_ids", record.KeyIds),
                new NpgsqlParameter<int>("occurrences", record.Occurrences),
                new NpgsqlParameter<byte[]>("mac", record.Mac),
            },
        };

        static NpgsqlParameter Text(string name, string? value) =>
            new NpgsqlParameter<string?>(name, NpgsqlDbType.Text) { TypedValue = value };
    }
}
