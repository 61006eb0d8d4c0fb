using System.Buffers.Binary;
using System.Buffers.Text;
using System.Globalization;
using PiiMasking.Tink;

namespace PiiMasking.MaskingService.Audit;

/// <summary>
/// The end of the chain, signed: proof, kept outside of the database, that the chain once was this long. As text
/// <c>number.mac.signature</c>, the last two in base64url.
/// </summary>
/// <param name="Number">Number of the last record.</param>
/// <param name="Mac">Its MAC.</param>
internal sealed record AuditHead(long Number, byte[] Mac)
{
    /// <summary>The head as text.</summary>
    /// <param name="mac">Over the integrity keyset.</param>
    public string Sign(Mac mac) =>
        string.Create(CultureInfo.InvariantCulture,
            $"{Number}.{Base64Url.EncodeToString(Mac)}.{Base64Url.EncodeToString(mac.Compute(Signed()))}");

    /// <summary>Reads a head.</summary>
    /// <returns>Null if the text is no head, or none that was signed with this keyset.</returns>
    public static AuditHead? Read(string text, Mac mac)
    {
        var parts = text.Trim().Split('.');
        if (parts.Length != 3
            || !long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            || !Base64Url.IsValid(parts[1]) || !Base64Url.IsValid(parts[2]))
        {
            return null;
        }

        var head = new AuditHead(number, Base64Url.DecodeFromChars(parts[1]));
        return mac.Verify(Base64Url.DecodeFromChars(parts[2]), head.Signed()) ? head : null;
    }

    private byte[] Signed()
    {
        Span<byte> number = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64BigEndian(number, Number);
        return [.. "audit-head/1\0"u8, .. number, .. Mac];
    }
}
