using Npgsql;
using NpgsqlTypes;
using PiiMasking.Contracts;
using PiiMasking.Logins;
using PiiMasking.MaskingService.Erasure;
using PiiMasking.MaskingService.Keys;
using PiiMasking.MaskingService.Logins;
using PiiMasking.MaskingService.Masking;
using PiiMasking.MaskingService.People;
using PiiMasking.MaskingService.Storage;

namespace PiiMasking.MaskingService.Quarantine;

/// <summary>Which messages to replay; all, if both are null.</summary>
/// <param name="MessageId">Only this one.</param>
/// <param name="Reason">Only those that are there for this reason.</param>
internal readonly record struct ReplaySelection(Guid? MessageId, string? Reason);

/// <summary>What became of the messages of a replay.</summary>
internal sealed class ReplayCounts
{
    /// <summary>Stored as logins by this replay.</summary>
    public int Stored { get; set; }

    /// <summary>Stored before, or taken out by somebody else meanwhile.</summary>
    public int Repeated { get; set; }

    /// <summary>Of users that were erased after the message was sent: out of the quarantine and not stored.</summary>
    public int Erased { get; set; }

    /// <summary>Failed again, and stay with the reason of this time.</summary>
    public SortedDictionary<string, int> Stayed { get; } = new(StringComparer.Ordinal);

    /// <summary>The payload does not open: no key for it, or altered. They stay.</summary>
    public int Unreadable { get; set; }

    /// <summary>The database did not take them now. They stay.</summary>
    public int NotNow { get; set; }
}

/// <summary>Sends messages in quarantine through the same parser and writer as those from the queue, with their own identity and
/// time.</summary>
internal sealed class QuarantineReplay(
    PeopleDatabase database, Keyring keyring, LoginMasker masker, ErasureGate gate, Generation generation, TimeProvider time, ILogger<LoginStore> logger)
{
    // Payloads may be as large as a message: a megabyte.
    private const int MessagesAtOnce = 100;

    private static readonly string ReadQuarantine = Sql.Load("read_quarantine.sql");
    private static readonly string RenameReasons = Sql.Load("rename_quarantine_reasons.sql");

    private readonly LoginStore store = new(database.Source, masker, gate, generation, time, logger, LoginSource.Replay);

    private sealed record Kept(Guid MessageId, DateTimeOffset? SentAt, DateTimeOffset QuarantinedAt, byte[] SealedPayload);

    /// <summary>Replays a selection. Each stretch is committed by itself; run again, it goes on where it was stopped.</summary>
    /// <exception cref="NpgsqlException">The database is away; what is committed stays so.</exception>
    public async Task<ReplayCounts> ReplayAsync(ReplaySelection selection, CancellationToken cancellation)
    {
        var counts = new ReplayCounts();
        var after = Guid.Empty;
        while (await ReadAsync(selection, after, cancellation) is { Count: > 0 } kept)
        {
            await ReplayAsync(kept, counts, cancellation);
            after = kept[^1].MessageId;
        }

        return counts;
    }

    private async Task ReplayAsync(List<Kept> kept, ReplayCounts counts, CancellationToken cancellation)
    {
        var keys = keyring.Current ?? throw new PeopleUnavailableException("The keysets are not loaded yet. See /readyz.");
        var logins = new List<PendingMessage>();
        var failed = new Dictionary<Guid, string>();
        foreach (var message in kept)
        {
            if (QuarantineSeal.TryOpen(keys.Quarantine, message.MessageId, message.SealedPayload) is not { } payload)
            {
                counts.Unreadable++;
                continue;
            }

            switch (MessageReader.ParsePayload(payload))
            {
                case ParseOutcome.Accepted accepted:
                    // Without a time of its own it has that of its arrival, as the writer would have given it.
                    logins.Add(new PendingMessage(
                        new LoginMessage(message.MessageId, message.SentAt, accepted.Login, null), message.QuarantinedAt));
                    break;
                case ParseOutcome.Rejected rejected:
                    failed.Add(message.MessageId, rejected.Reason.ToCode());
                    break;
            }
        }

        if (logins.Count > 0)
        {
            masker.Mask(logins, generation.Keys ?? throw new GenerationMissingException());
            await store.StoreAsync(logins.ToArray(), cancellation);
        }

        foreach (var login in logins)
        {
            switch (login.Outcome)
            {
                case LoginOutcome.Stored:
                    counts.Stored++;
                    break;
                case LoginOutcome.Erased:
                    counts.Erased++;
                    break;
                case LoginOutcome.Refused:
                    failed.Add(login.MessageId, Rejection.RefusedByStorage);
                    break;
                case LoginOutcome.Retry:
                    counts.NotNow++;
                    break;
                default:
                    counts.Repeated++;
                    break;
            }
        }

        foreach (var reason in failed.Values)
            counts.Stayed[reason] = counts.Stayed.GetValueOrDefault(reason) + 1;
        if (failed.Count > 0)
            await RenameAsync(failed, cancellation);
    }

    private async Task<List<Kept>> ReadAsync(ReplaySelection selection, Guid after, CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand(ReadQuarantine);
        command.Parameters.Add(new NpgsqlParameter<Guid>("after", after));
        command.Parameters.Add(
            new NpgsqlParameter("message_id", NpgsqlDbType.Uuid) { Value = selection.MessageId as object ?? DBNull.Value });
        command.Parameters.Add(new NpgsqlParameter<string?>("reason", NpgsqlDbType.Text) { TypedValue = selection.Reason });
        command.Parameters.Add(new NpgsqlParameter<int>("count", MessagesAtOnce));
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var kept = new List<Kept>();
        while (await reader.ReadAsync(cancellation))
        {
            kept.Add(new Kept(
                reader.GetGuid(0), await reader.IsDBNullAsync(1, cancellation) ? null : reader.GetFieldValue<DateTimeOffset>(1),
                reader.GetFieldValue<DateTimeOffset>(2), reader.GetFieldValue<byte[]>(3)));
        }

        return kept;
    }

    private async Task RenameAsync(Dictionary<Guid, string> failed, CancellationToken cancellation)
    {
        await using var command = database.Source.CreateCommand(RenameReasons);
        command.Parameters.Add(new NpgsqlParameter<Guid[]>("message_ids", [.. failed.Keys]));
        command.Parameters.Add(new NpgsqlParameter<string[]>("reasons", [.. failed.Values]));
        await command.ExecuteNonQueryAsync(cancellation);
    }
}
