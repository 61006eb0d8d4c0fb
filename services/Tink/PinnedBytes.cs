using System.Security.Cryptography;

namespace PiiMasking.Tink;

/// <summary>Memory for key bytes: the collector never moves it, so it leaves no copies behind.</summary>
/// <remarks>Whoever allocates wipes, with <see cref="CryptographicOperations.ZeroMemory"/>.</remarks>
internal static class PinnedBytes
{
    public static byte[] Allocate(int length) => GC.AllocateArray<byte>(length, pinned: true);

    public static byte[] CopyOf(ReadOnlySpan<byte> bytes)
    {
        var copy = GC.AllocateUninitializedArray<byte>(bytes.Length, pinned: true);
        bytes.CopyTo(copy);
        return copy;
    }
}
