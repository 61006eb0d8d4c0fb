namespace PiiMasking.Tink;

/// <summary>Keeps objects that are costly to set up and not safe to share; each has one user at a time.</summary>
/// <remarks>
/// At most one idle object per processor is kept. Disposing the pool leaves those in use alone: they are disposed when they
/// come back.
/// </remarks>
internal sealed class Pool<T>(Func<T> create) : IDisposable
    where T : class, IDisposable
{
    // Neighbouring processors' slots must not share a cache line (64 bytes, eight references), or they slow each other down.
    private const int Stride = 8;

    private readonly Slot[] slots = new Slot[Environment.ProcessorCount * Stride];
    private volatile bool disposed;

    /// <exception cref="ObjectDisposedException">The pool is disposed.</exception>
    public T Rent()
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        return Interlocked.Exchange(ref OwnSlot().Idle, null) ?? create();
    }

    public void Return(T item)
    {
        ref var slot = ref OwnSlot();
        Interlocked.Exchange(ref slot.Idle, item)?.Dispose();

        // Dispose may have passed this slot a moment ago.
        if (disposed)
            Interlocked.Exchange(ref slot.Idle, null)?.Dispose();
    }

    public void Dispose()
    {
        disposed = true;
        foreach (ref var slot in slots.AsSpan())
            Interlocked.Exchange(ref slot.Idle, null)?.Dispose();
    }

    private ref Slot OwnSlot() => ref slots[(uint)Thread.GetCurrentProcessorId() % (uint)Environment.ProcessorCount * Stride];

    private struct Slot
    {
        public T? Idle;
    }
}
