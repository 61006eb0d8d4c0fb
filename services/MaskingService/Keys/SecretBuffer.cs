using System.Security.Cryptography;

namespace PiiMasking.MaskingService.Keys;

/// <summary>Bytes of a secret in memory that the collector never moves, wiped when disposed.</summary>
internal sealed class SecretBuffer(int capacity) : IDisposable
{
    private readonly byte[] bytes = GC.AllocateArray<byte>(capacity, pinned: true);

    public int Length { get; private set; }

    public ReadOnlySpan<byte> Span => bytes.AsSpan(0, Length);

    public ReadOnlyMemory<byte> Memory => bytes.AsMemory(0, Length);

    /// <summary>The space that is not filled yet.</summary>
    public Memory<byte> Free => bytes.AsMemory(Length);

    /// <summary>Takes over a copy of some bytes.</summary>
    public static SecretBuffer CopyOf(ReadOnlySpan<byte> source)
    {
        var copy = new SecretBuffer(source.Length);
        source.CopyTo(copy.Free.Span);
        copy.Advance(source.Length);
        return copy;
    }

    /// <summary>Counts bytes that were written to <see cref="Free"/>.</summary>
    public void Advance(int count) => Length += count;

    /// <summary>Reads a stream to its end.</summary>
    /// <returns>Null if it is longer than the limit.</returns>
    public static async Task<SecretBuffer?> ReadAsync(Stream stream, int limit, CancellationToken stopping)
    {
        var buffer = new SecretBuffer(Math.Min(limit, 8192));
        while (true)
        {
            int read;
            while (buffer.Free.Length > 0 && (read = await stream.ReadAsync(buffer.Free, stopping)) > 0)
                buffer.Advance(read);
            if (buffer.Free.Length > 0)
                return buffer;

            // Full: the end may be here, or more may come. A larger buffer takes over, and the smaller one is wiped.
            if (buffer.Length >= limit)
            {
                buffer.Dispose();
                return null;
            }
            var larger = new SecretBuffer(Math.Min(limit, buffer.Length * 2));
            buffer.Span.CopyTo(larger.Free.Span);
            larger.Advance(buffer.Length);
            buffer.Dispose();
            buffer = larger;
        }
    }

    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(bytes);
        Length = 0;
    }
}
