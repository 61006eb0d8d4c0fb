using Microsoft.Extensions.Options;
using Npgsql;
using PiiMasking.MaskingService.Audit;
using PiiMasking.MaskingService.Keys;
using PiiMasking.Tink;

namespace PiiMasking.MaskingService.Retention;

/// <summary>The database as pii_steward sees it.</summary>
internal sealed class StewardDatabase(NpgsqlDataSource source) : IAsyncDisposable
{
    public NpgsqlDataSource Source => source;

    /// <inheritdoc />
    public ValueTask DisposeAsync() => source.DisposeAsync();
}

/// <summary>What a run has removed.</summary>
internal sealed record Removed
{
    public long Partitions { get; init; }
    public long OddLogins { get; init; }
    public long Quarantined { get; init; }
    public long LedgerEntries { get; init; }
    public long AuditRecords { get; init; }
    public long Erasures { get; init; }

    /// <summary>A reader kept a partition from being dropped.</summary>
    public bool PartitionsInUse { get; init; }

    /// <summary>The record of the audit that does not verify; nothing of the audit was cut then.</summary>
    public long? BrokenRecord { get; init; }
}

/// <summary>Removes what is older than its age, in small transactions. What is broken off is done by the next run.</summary>
internal sealed class Retainer(
    StewardDatabase database, KeysetSource keysets, IOptions<RetentionOptions> options, IOptions<KeyOptions> keys, TimeProvider time,
    ILogger<Retainer> logger)
{
    private const int RowsAtOnce = 1_000;
    private const int DropAttempts = 8;
    private const int RecordsKept = 2;
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(100);

    /// <summary>Runs once, unless another replica is at it.</summary>
    /// <returns>What was removed; null if another one is at it.</returns>
    /// <exception cref="NpgsqlException">The database is away; what is removed stays so.</exception>
    /// <exception cref="KeySourceException">The audit has an age, and the integrity keyset cannot be read.</exception>
    public async Task<Removed?> RunAsync(CancellationToken stopping)
    {
        await using var holder = await database.Source.OpenConnectionAsync(stopping);
        await using var turn = await holder.BeginTransactionAsync(stopping);
        await using (var take = new NpgsqlCommand("SELECT pg_try_advisory_xact_lock(8099004711029928321)", holder))
        {
            if (await take.ExecuteScalarAsync(stopping) is not true)
                return null;
        }

        var removed = new Removed();
        if (Cutoff(options.Value.Logins) is { } logins)
        {
            var (partitions, inUse) = await DropPartitionsAsync(logins, stopping);
            removed = removed with
            {
                Partitions = partitions,
                PartitionsInUse = inUse,
                OddLogins = await RepeatAsync("SELECT delete_old_odd_logins($1, $2)", DateOnly.FromDateTime(logins), stopping),
            };
            await RepeatAsync("SELECT forget_seen_messages($1, $2)", DateOnly.FromDateTime(logins), stopping);
        }

        if (Cutoff(options.Value.Quarantine) is { } quarantine)
            removed = removed with { Quarantined = await RepeatAsync("SELECT delete_old_quarantined($1, $2)", quarantine, stopping) };
        if (Cutoff(options.Value.Ledger) is { } ledger)
            removed = removed with { LedgerEntries = await RepeatAsync("SELECT carry_old_ledger($1, $2)", ledger, stopping) };
        if (Cutoff(options.Value.Erasures) is { } erasures)
        {
            removed = removed with { Erasures = await RepeatAsync("SELECT forget_old_erasures($1, $2)", erasures, stopping) };
            await RepeatAsync("SELECT forget_erased_messages($1, $2)", erasures, stopping);
        }

        if (Cutoff(options.Value.Audit) is { } audit)
        {
            var (records, broken) = await CutAuditAsync(audit, stopping);
            removed = removed with { AuditRecords = records, BrokenRecord = broken };
        }

        logger.Removed(
            removed.Partitions, removed.OddLogins, removed.Quarantined, removed.LedgerEntries, removed.AuditRecords, removed.Erasures);
        return removed;
    }

    private DateTime? Cutoff(TimeSpan? age) => age is { } kept ? (time.GetUtcNow() - kept).UtcDateTime : null;

    private async Task<(long Dropped, bool InUse)> DropPartitionsAsync(DateTime cutoff, CancellationToken stopping)
    {
        var dropped = 0L;
        var pause = FirstPause;
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await using var command = database.Source.CreateCommand("SELECT drop_old_login_partition($1)");
                command.Parameters.Add(new NpgsqlParameter<DateOnly> { TypedValue = DateOnly.FromDateTime(cutoff) });
                if (await command.ExecuteScalarAsync(stopping) is not string)
                    return (dropped, false);
                dropped++;
                (attempt, pause) = (0, FirstPause);
            }
            catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected)
            {
                if (attempt == DropAttempts)
                {
                    logger.PartitionsInUse();
                    return (dropped, true);
                }

                // Writers that queued up behind the attempt get on meanwhile.
                await Task.Delay(pause, time, stopping);
                pause *= 2;
            }
        }
    }

    private async Task<long> RepeatAsync<T>(string function, T olderThan, CancellationToken stopping)
        where T : struct
    {
        var all = 0L;
        long some;
        do
        {
            await using var command = database.Source.CreateCommand(function);
            command.Parameters.Add(new NpgsqlParameter<T> { TypedValue = olderThan });
            command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = RowsAtOnce });
            some = (long)(await command.ExecuteScalarAsync(stopping))!;
            all += some;
        }
        while (some == RowsAtOnce);
        return all;
    }

    /// <summary>Cuts records from the head of the chain, having verified them: the checkpoint says that they were what was
    /// written.</summary>
    private async Task<(long Cut, long? Broken)> CutAuditAsync(DateTime cutoff, CancellationToken stopping)
    {
        using var keyset = await keysets.ReadAsync(keys.Value.Integrity, KeyKind.Mac, stopping);
        using var mac = new Mac(keyset);
        await using var connection = await database.Source.OpenConnectionAsync(stopping);
        var end = await AuditReader.ReadHeadAsync(connection, stopping) ?? new AuditHead(0, []);
        var checkpoint = await AuditCheckpoint.ReadAsync(connection, stopping);
        if (!checkpoint.IsGenuine(mac))
            return Broken(0, 1);

        var cut = 0L;
        var last = checkpoint.Before;
        while (true)
        {
            var begun = last;
            foreach (var record in await AuditReader.ReadAsync(connection, new(last.Number, RowsAtOnce), stopping))
            {
                if (record.RecordedAt >= cutoff || record.Number > end.Number - RecordsKept)
                    break;
                if (record.Number != last.Number + 1 || !mac.Verify(record.Mac, record.Canonical(last.Mac)))
                    return Broken(cut, last.Number + 1);
                last = new AuditHead(record.Number, record.Mac);
            }

            if (last == begun)
                return (cut, null);
            var signed = AuditCheckpoint.Sign(last, mac);
            await using var command = new NpgsqlCommand("SELECT cut_audit($1, $2, $3)", connection)
            {
                Parameters =
                {
                    new NpgsqlParameter<long> { TypedValue = signed.Number },
                    new NpgsqlParameter<byte[]> { TypedValue = signed.Mac },
                    new NpgsqlParameter<byte[]> { TypedValue = signed.Signature },
                },
            };
            cut += (long)(await command.ExecuteScalarAsync(stopping))!;
        }

        (long, long?) Broken(long before, long number)
        {
            logger.AuditNotCut(number);
            return (before, number);
        }
    }
}
