using Npgsql;
using PiiMasking.Tink;

namespace PiiMasking.MaskingService.Audit;

/// <summary>What checking the chain showed.</summary>
internal abstract record ChainOutcome
{
    private ChainOutcome() { }

    /// <summary>Every record up to this one is as it was written, in its place. The last MAC is the head to compare others
    /// with.</summary>
    /// <param name="End">The last record.</param>
    /// <param name="Cut">The last record that is gone by the retention that was set; 0 if the chain begins with 1.</param>
    public sealed record Intact(AuditHead End, long Cut) : ChainOutcome;

    /// <summary>The first record that is not, and why.</summary>
    public sealed record Broken(long Number, string Problem) : ChainOutcome;
}

/// <summary>Checks the chain from its first record on, or from where it was cut.</summary>
internal static class AuditChain
{
    /// <summary>Reads all of it, in one snapshot, a record at a time.</summary>
    /// <param name="connection">Open, of a role that may read the audit.</param>
    /// <param name="mac">Over the integrity keyset.</param>
    /// <param name="head">A head that was kept elsewhere, verified already; null if there is none.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task<ChainOutcome> VerifyAsync(NpgsqlConnection connection, Mac mac, AuditHead? head,
        CancellationToken cancellation)
    {
        await using var snapshot = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, cancellation);
        return await VerifyWithinAsync(connection, mac, head, cancellation);
    }

    /// <summary>As <see cref="VerifyAsync"/>, within the caller's transaction.</summary>
    public static async Task<ChainOutcome> VerifyWithinAsync(NpgsqlConnection connection, Mac mac, AuditHead? head,
        CancellationToken cancellation)
    {
        var stored = await AuditReader.ReadHeadAsync(connection, cancellation);
        var checkpoint = await AuditCheckpoint.ReadAsync(connection, cancellation);
        if (checkpoint.Number < 0 || !checkpoint.IsGenuine(mac))
            return new ChainOutcome.Broken(1, "cannot be said to have been cut by the service: the checkpoint is not what it signed.");
        var end = checkpoint.Before;
        await using (var command = AuditReader.CreateCommand(connection, new(After: long.MinValue, Count: int.MaxValue)))
        {
            // The default would end a long chain in the middle.
            command.CommandTimeout = 0;
            await using var reader = await command.ExecuteReaderAsync(System.Data.CommandBehavior.Default, cancellation);
            while (await reader.ReadAsync(cancellation))
            {
                if (Check(reader, mac, end, head, out var next) is { } broken)
                    return broken;
                end = next;
            }
        }

        if (head is not null && head.Number == checkpoint.Number && !head.Mac.AsSpan().SequenceEqual(checkpoint.Mac))
            return new ChainOutcome.Broken(head.Number, "was cut, and is not the record that the head was made from.");
        if (head is not null && head.Number > end.Number)
            return new ChainOutcome.Broken(end.Number + 1,
                $"is missing: the chain ends with record {end.Number}, and the head says that there were {head.Number}.");
        if (stored is null)
            return new ChainOutcome.Broken(end.Number + 1, "cannot be ruled out: the row of audit_head is gone.");
        if (stored.Number > end.Number)
            return new ChainOutcome.Broken(end.Number + 1,
                $"is missing: the chain ends with record {end.Number}, and audit_head says {stored.Number}.");
        if (stored.Number < end.Number || !stored.Mac.AsSpan().SequenceEqual(end.Mac))
            return new ChainOutcome.Broken(end.Number, "is the last one, and audit_head does not say so: it was altered.");
        return new ChainOutcome.Intact(end, checkpoint.Number);
    }

    private static ChainOutcome.Broken? Check(NpgsqlDataReader row, Mac mac, AuditHead previous, AuditHead? head, out AuditHead next)
    {
        var expected = previous.Number + 1;
        next = previous;
        AuditRecord record;
        try
        {
            record = AuditReader.Current(row);
        }
        catch (Exception e) when (e is InvalidCastException or InvalidOperationException or ArgumentException or OverflowException)
        {
            // Such as a null where none can be, or a time beyond the calendar; the text may quote the value.
            return new(expected, "holds what was never written: it was altered.");
        }

        next = new AuditHead(record.Number, record.Mac);
        if (record.Number < expected)
            return new(record.Number, record.Number < 1 ? "was never written: numbers begin at 1." : "is there twice.");
        if (record.Number > expected)
            return new(expected, $"is missing: the next one is {record.Number}.");
        if (!mac.Verify(record.Mac, record.Canonical(previous.Mac)))
            return new(expected, "is not what was written, or does not follow the one before it: it was altered, moved or replaced.");
        if (head?.Number == record.Number && !head.Mac.AsSpan().SequenceEqual(record.Mac))
            return new(expected, "is not the record that the head was made from: the chain was written anew up to it.");
        return null;
    }
}
