using System.Buffers;
using System.Net;
using System.Net.Http.Headers;

namespace PiiMasking.IngestionService.Intake;

/// <summary>A request's body in pooled memory: written as a buffer, then sent with its length, which Dapr needs to retry a call.</summary>
/// <remarks>
/// An answer that comes early leaves the client reading the body after the call. Memory that is being read when the content is disposed
/// is left to the collector instead of going back to the pool.
/// </remarks>
internal sealed class PooledContent : HttpContent, IBufferWriter<byte>
{
    private readonly Lock gate = new();
    private byte[] buffer;
    private int length;
    private int readers;
    private bool isDisposed;

    public PooledContent(MediaTypeHeaderValue type, int expectedLength)
    {
        buffer = ArrayPool<byte>.Shared.Rent(expectedLength);
        Headers.ContentType = type;
    }

    public void Advance(int count) => length += count;

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        var needed = checked(length + Math.Max(sizeHint, 1));
        if (needed > buffer.Length)
        {
            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(needed, checked(2 * buffer.Length)));
            buffer.AsSpan(0, length).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(buffer, clearArray: true);
            buffer = larger;
        }

        return buffer.AsMemory(length);
    }

    public Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(isDisposed, this);
            readers++;
        }

        try
        {
            await stream.WriteAsync(buffer.AsMemory(0, length), cancellationToken);
        }
        finally
        {
            lock (gate)
                readers--;
        }
    }

    protected override bool TryComputeLength(out long length)
    {
        length = this.length;
        return true;
    }

    protected override void Dispose(bool disposing)
    {
        lock (gate)
        {
            if (!isDisposed && readers == 0)
                ArrayPool<byte>.Shared.Return(buffer, clearArray: true);
            isDisposed = true;
        }

        base.Dispose(disposing);
    }
}
