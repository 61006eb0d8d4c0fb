using System.Globalization;
using Npgsql;
using NpgsqlTypes;
using PiiMasking.MaskingService.Audit;
using PiiMasking.MaskingService.Keys;
using PiiMasking.MaskingService.People;
using PiiMasking.MaskingService.Storage;
using PiiMasking.Tink;

namespace PiiMasking.MaskingService.Quarantine;

/// <summary>What became of a request for one message in quarantine. The record of it is durable in every case.</summary>
internal abstract record QuarantineOutcome
{
    private QuarantineOutcome() { }

    /// <summary>The payload as it was sent.</summary>
    public sealed record Revealed(byte[] Payload, long AuditRecord) : QuarantineOutcome;

    /// <summary>The message is gone for good.</summary>
    public sealed record Deleted(long AuditRecord) : QuarantineOutcome;

    /// <summary>There is no such message.</summary>
    public sealed record NotFound : QuarantineOutcome;

    /// <summary>Its payload does not open.</summary>
    public sealed record Unreadable : QuarantineOutcome;

    /// <summary>The subject has seen as many values today as it may.</summary>
    public sealed record OverBudget(int Charged, int Budget) : QuarantineOutcome;
}

/// <summary>Lists what is in quarantine, looks into it and deletes from it, the last two on the record.</summary>
internal sealed class QuarantineKeeper(PeopleDatabase database, Keyring keyring, AuditLog audit, IntegrityKeys integrity)
{
    private static readonly string ListQuarantine = Sql.Load("list_quarantine.sql");

    /// <summary>Newest first, without payloads.</summary>
    public async Task<List<QuarantinedMessage>> ListAsync(
        DateTimeOffset beforeAt, Guid beforeId, string? reason, int count, CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand(ListQuarantine);
        command.Parameters.Add(new NpgsqlParameter<DateTimeOffset>("before_at", beforeAt));
        command.Parameters.Add(new NpgsqlParameter<Guid>("before_id", beforeId));
        command.Parameters.Add(new NpgsqlParameter<string?>("reason", NpgsqlDbType.Text) { TypedValue = reason });
        command.Parameters.Add(new NpgsqlParameter<int>("count", count));
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var messages = new List<QuarantinedMessage>();
        while (await reader.ReadAsync(cancellation))
        {
            messages.Add(new QuarantinedMessage(
                reader.GetGuid(0), reader.GetString(3), await reader.IsDBNullAsync(1, cancellation) ? null
                    : reader.GetFieldValue<DateTimeOffset>(1),
                reader.GetFieldValue<DateTimeOffset>(2), reader.GetInt32(4) - QuarantineSeal.Overhead));
        }

        return messages;
    }

    /// <summary>Opens a payload: a reveal like any other.</summary>
    /// <inheritdoc cref="AuditLog.AppendAsync(AuditEntry, CancellationToken)" path="/exception" />
    public async Task<QuarantineOutcome> RevealAsync(Guid messageId, PayloadRequest request, Caller caller, CancellationToken cancellation)
    {
        var keys = keyring.Current ?? throw new PeopleUnavailableException("The keysets are not loaded yet. See /readyz.");
        var sealedPayload = await ReadPayloadAsync(messageId, cancellation);
        var payload = sealedPayload is null ? null : QuarantineSeal.TryOpen(keys.Quarantine, messageId, sealedPayload);

        var entry = Entry(caller, AuditAction.QuarantinePayload, messageId, request) with
        {
            Outcome = payload is null ? AuditOutcome.Refused : AuditOutcome.Granted,
            Detail = sealedPayload is null ? "not_found" : payload is null ? "does_not_open" : null,
            Charge = payload is null ? 0 : 1,
            KeyIds = payload is not null && TokenKeyId.TryRead(sealedPayload, out var keyId) ? [keyId] : [],
        };
        return await audit.AppendAsync(entry, cancellation) switch
        {
            AppendOutcome.OverBudget over => new QuarantineOutcome.OverBudget(over.Charged, over.Budget),
            AppendOutcome.Recorded recorded when payload is not null => new QuarantineOutcome.Revealed(payload, recorded.Number),
            _ => sealedPayload is null ? new QuarantineOutcome.NotFound() : new QuarantineOutcome.Unreadable(),
        };
    }

    /// <summary>Deletes a message, in the transaction of its record.</summary>
    /// <inheritdoc cref="AuditLog.AppendAsync(AuditEntry, CancellationToken)" path="/exception" />
    public async Task<QuarantineOutcome> DeleteAsync(Guid messageId, PayloadRequest request, Caller caller, CancellationToken cancellation)
    {
        var isFound = false;
        var outcome = await audit.AppendAsync(caller.Subject, DeleteAsync, cancellation);
        return isFound ? new QuarantineOutcome.Deleted(((AppendOutcome.Recorded)outcome).Number) : new QuarantineOutcome.NotFound();

        async Task<AuditEntry> DeleteAsync(NpgsqlConnection connection, CancellationToken stopping)
        {
            await using var delete = new NpgsqlCommand("DELETE FROM quarantine WHERE message_id = $1", connection);
            delete.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = messageId });
            isFound = await delete.ExecuteNonQueryAsync(stopping) > 0;
            return Entry(caller, AuditAction.QuarantineDelete, messageId, request) with
            {
                Outcome = isFound ? AuditOutcome.Granted : AuditOutcome.Refused,
                Detail = isFound ? null : "not_found",
            };
        }
    }

    private AuditEntry Entry(Caller caller, string action, Guid messageId, PayloadRequest request) =>
        new(caller, action, AuditOutcome.Refused)
        {
            Reason = request.Reason,
            Ticket = request.Ticket,
            Target = messageId.ToString("D", CultureInfo.InvariantCulture),
            Tokens = 1,
            Fingerprints = Fingerprints.OfMessage(integrity.Require(), messageId),
        };

    private async Task<byte[]?> ReadPayloadAsync(Guid messageId, CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand("SELECT sealed_payload FROM quarantine WHERE message_id = $1");
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = messageId });
        return await command.ExecuteScalarAsync(cancellation) as byte[];
    }
}
