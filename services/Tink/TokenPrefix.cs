using System.Buffers.Binary;

namespace PiiMasking.Tink;

/// <summary>Tink's TINK output prefix: one byte 0x01, then the key id as four bytes, big-endian.</summary>
/// <remarks>It is not authenticated; it only chooses the key that then authenticates the rest.</remarks>
internal static class TokenPrefix
{
    public const int Length = 5;

    private const byte Version = 1;

    public static void Write(uint keyId, Span<byte> destination)
    {
        destination[0] = Version;
        BinaryPrimitives.WriteUInt32BigEndian(destination[1..], keyId);
    }

    public static bool TryRead(ReadOnlySpan<byte> token, out uint keyId)
    {
        if (token.Length < Length || token[0] != Version)
        {
            keyId = 0;
            return false;
        }
        keyId = BinaryPrimitives.ReadUInt32BigEndian(token[1..]);
        return true;
    }
}
