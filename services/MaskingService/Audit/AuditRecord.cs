using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using PiiMasking.MaskingService.People;

namespace PiiMasking.MaskingService.Audit;

/// <summary>What somebody did, or tried to do: all that a record says except where it stands in the chain.</summary>
/// <param name="Caller">Who.</param>
/// <param name="Action">What was asked for; one of <see cref="AuditAction"/>.</param>
/// <param name="Outcome">What came of it; one of <see cref="AuditOutcome"/>.</param>
internal sealed record AuditEntry(Caller Caller, string Action, string Outcome)
{
    /// <summary>Code in snake_case, or counts: why it was refused, or what it did.</summary>
    public string? Detail { get; init; }

    /// <summary>Why, in the caller's own words.</summary>
    public string? Reason { get; init; }

    /// <summary>Where that was decided, in the caller's own words.</summary>
    public string? Ticket { get; init; }

    /// <summary><c>ip</c> or <c>device_id</c>.</summary>
    public string? Field { get; init; }

    /// <summary>The message or messages in quarantine that it was about.</summary>
    public string? Target { get; init; }

    /// <summary>How many tokens, or messages, were asked for.</summary>
    public int Tokens { get; init; }

    /// <summary>What it takes from the subject's budget of the day.</summary>
    public int Charge { get; init; }

    /// <summary>Fingerprints of the tokens (<see cref="Fingerprints"/>), one after the other.</summary>
    public byte[] Fingerprints { get; init; } = [];

    /// <summary>Keys of the tokens that were opened or made.</summary>
    public IReadOnlyCollection<uint> KeyIds { get; init; } = [];

    /// <summary>How often it happened, where that was only counted.</summary>
    public int Occurrences { get; init; } = 1;
}

/// <summary>What people can ask for, as the audit names it.</summary>
internal static class AuditAction
{
    public const string Reveal = "reveal";
    public const string LookUp = "lookup";
    public const string Duplicates = "duplicates";
    public const string QuarantineList = "quarantine_list";
    public const string QuarantinePayload = "quarantine_payload";
    public const string QuarantineReplay = "quarantine_replay";
    public const string QuarantineDelete = "quarantine_delete";
    public const string Audit = "audit";
    public const string Erasure = "erasure";
    public const string ErasureList = "erasure_list";
    public const string Rotation = "rotation";
}

/// <summary>What came of it.</summary>
internal static class AuditOutcome
{
    /// <summary>Answered in full.</summary>
    public const string Granted = "granted";

    /// <summary>Answered as far as it could be, at the caller's wish.</summary>
    public const string Partial = "partial";

    /// <summary>Refused; nothing was answered.</summary>
    public const string Refused = "refused";

    /// <summary>Something that was granted before has come to its end.</summary>
    public const string Completed = "completed";
}

/// <summary>A record as it stands in the chain.</summary>
/// <param name="Number">One more than the record before it; the first is 1.</param>
/// <param name="RecordedAt">To the microsecond, as Postgres keeps it.</param>
/// <param name="Mac">Over the MAC before it and everything else in here.</param>
internal sealed record AuditRecord(
    long Number, DateTimeOffset RecordedAt, string Action, string Outcome, string? Detail, string? Subject, string? Client, string? Address,
    string? Reason, string? Ticket, string? Field, string? Target, int Tokens, int Charged, int ChargedToday, byte[] Fingerprints,
    string KeyIds,
    int Occurrences, byte[] Mac)
{
    /// <summary>
    /// The bytes that the MAC is over. Every part has its length in front of it, null has one of its own, and the first part says what this
    /// is, so that no two records, and nothing else that is signed with this keyset, have the same bytes.
    /// </summary>
    /// <param name="previousMac">Of the record before this one; empty for the first.</param>
    public ReadOnlySpan<byte> Canonical(byte[] previousMac)
    {
        var bytes = new ArrayBufferWriter<byte>(512);
        Write(bytes, "audit-record/1"u8);
        Write(bytes, previousMac);
        Write(bytes, Number);
        Write(bytes, RecordedAt.UtcTicks);
        foreach (var text in (ReadOnlySpan<string?>)[Action, Outcome, Detail, Subject, Client, Address, Reason, Ticket, Field, Target,
            KeyIds])
            Write(bytes, text);
        foreach (var number in (ReadOnlySpan<int>)[Tokens, Charged, ChargedToday, Occurrences])
            Write(bytes, (long)number);
        Write(bytes, Fingerprints);
        return bytes.WrittenSpan;
    }

    private static void Write(ArrayBufferWriter<byte> bytes, string? text)
    {
        if (text is null)
            WriteLength(bytes, -1);
        else
            Write(bytes, Encoding.UTF8.GetBytes(text));
    }

    private static void Write(ArrayBufferWriter<byte> bytes, ReadOnlySpan<byte> part)
    {
        WriteLength(bytes, part.Length);
        bytes.Write(part);
    }

    private static void Write(ArrayBufferWriter<byte> bytes, long number)
    {
        BinaryPrimitives.WriteInt64BigEndian(bytes.GetSpan(sizeof(long)), number);
        bytes.Advance(sizeof(long));
    }

    private static void WriteLength(ArrayBufferWriter<byte> bytes, int length)
    {
        BinaryPrimitives.WriteInt32BigEndian(bytes.GetSpan(sizeof(int)), length);
        bytes.Advance(sizeof(int));
    }
}
