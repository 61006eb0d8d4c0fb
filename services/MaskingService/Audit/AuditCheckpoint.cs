using System.Buffers.Binary;
using Npgsql;
using PiiMasking.Tink;

namespace PiiMasking.MaskingService.Audit;

/// <summary>Where the chain begins after records were cut from its head: the last of them, signed.</summary>
/// <param name="Number">Number of that record; 0 if none was cut.</param>
/// <param name="Mac">Its MAC, which the next record is chained to.</param>
/// <param name="Signature">Says that the service cut it, having verified what it cut.</param>
internal sealed record AuditCheckpoint(long Number, byte[] Mac, byte[] Signature)
{
    /// <summary>Nothing was cut.</summary>
    public static AuditCheckpoint Beginning { get; } = new(0, [], []);

    /// <summary>The last record before the chain's new beginning.</summary>
    public AuditHead Before => new(Number, Mac);

    /// <summary>Signs a checkpoint.</summary>
    public static AuditCheckpoint Sign(AuditHead last, Mac mac) => new(last.Number, last.Mac, mac.Compute(Signed(last)));

    /// <summary>Whether the service made it.</summary>
    public bool IsGenuine(Mac mac) => Number == 0 || mac.Verify(Signature, Signed(Before));

    /// <summary>Reads it from the database.</summary>
    public static async Task<AuditCheckpoint> ReadAsync(NpgsqlConnection connection, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand("SELECT number, mac, signature FROM audit_checkpoint", connection);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        return await reader.ReadAsync(cancellation)
            ? new AuditCheckpoint(reader.GetInt64(0), reader.GetFieldValue<byte[]>(1), reader.GetFieldValue<byte[]>(2))
            : Beginning;
    }

    private static byte[] Signed(AuditHead last)
    {
        Span<byte> number = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64BigEndian(number, last.Number);
        return [.. "audit-checkpoint/1\0"u8, .. number, .. last.Mac];
    }
}
