using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace PiiMasking.EndToEnd.Tests.Storm;

/// <summary>What a network may do to the connections that go through it.</summary>
internal enum Condition
{
    /// <summary>Passes everything on.</summary>
    Well,

    /// <summary>Hangs up on whoever connects.</summary>
    Refusing,

    /// <summary>Takes connections and bytes, and passes none on until it is something else again.</summary>
    Silent,

    /// <summary>Opens each new connection twice: both get what the client sends, the client gets the first one's answers.</summary>
    Doubling,
}

/// <summary>A loopback port or socket file whose connections go to another one, by way of a network that can be made bad.</summary>
internal sealed class BadNetwork : IAsyncDisposable
{
    private const int ChunkBytes = 64 << 10;

    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(20);

    private readonly Socket listener;
    private readonly CancellationTokenSource stop = new();
    private readonly ConcurrentDictionary<Connection, byte> open = [];
    private readonly Task accepting;

    /// <param name="at">Any free loopback port if null.</param>
    public BadNetwork(EndPoint? at = null)
    {
        at ??= new IPEndPoint(IPAddress.Loopback, 0);
        listener = NewSocket(at);
        listener.Bind(at);
        listener.Listen();
        accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)listener.LocalEndPoint!).Port;

    /// <summary>What is behind it, for connections from now on.</summary>
    public EndPoint? Target { get; set; }

    public Condition Condition { get; set; }

    /// <summary>How long each piece of an answer is held back.</summary>
    public TimeSpan Delay { get; set; }

    /// <summary>Breaks all connections that are open.</summary>
    public void Cut()
    {
        foreach (var connection in open.Keys)
            connection.Abort();
    }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        listener.Dispose();
        Cut();
        await accepting;
        stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
                _ = CarryAsync(await listener.AcceptAsync(stop.Token));
        }
        catch (Exception ended) when (ended is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // Disposed of.
        }
    }

    private async Task CarryAsync(Socket client)
    {
        using var connection = new Connection(client);
        open[connection] = 0;
        try
        {
            if (Condition == Condition.Refusing || Target is not { } target)
                return;
            var targets = new List<NetworkStream> { await connection.ConnectAsync(target, stop.Token) };
            if (Condition == Condition.Doubling)
                targets.Add(await connection.ConnectAsync(target, stop.Token));
            await using var source = new NetworkStream(client);
            var there = CopyAsync(source, targets, TimeSpan.Zero);
            var back = CopyAsync(targets[0], [source], null);
            // What the second one answers nobody asked for.
            var unread = targets.Count > 1 ? CopyAsync(targets[1], [], TimeSpan.Zero) : Task.CompletedTask;
            await Task.WhenAny(there, back);
            connection.Abort();
            await Task.WhenAll(there, back, unread);
        }
        catch (Exception broken) when (broken is IOException or SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // Cut, or hung up on.
        }
        finally
        {
            open.TryRemove(connection, out _);
        }
    }

    /// <param name="delay">Null for <see cref="Delay"/>, as it is at the moment.</param>
    private async Task CopyAsync(NetworkStream from, List<NetworkStream> to, TimeSpan? delay)
    {
        var buffer = new byte[ChunkBytes];
        try
        {
            while (await from.ReadAsync(buffer, stop.Token) is var read and > 0)
            {
                if ((delay ?? Delay) is { Ticks: > 0 } wait)
                    await Task.Delay(wait, stop.Token);
                while (Condition == Condition.Silent)
                    await Task.Delay(Look, stop.Token);
                foreach (var target in to)
                    await target.WriteAsync(buffer.AsMemory(0, read), stop.Token);
            }
        }
        catch (Exception broken) when (broken is IOException or SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // The other end is gone; so is this one in a moment.
        }
    }

    private static Socket NewSocket(EndPoint at) =>
        new(at.AddressFamily, SocketType.Stream, at is IPEndPoint ? ProtocolType.Tcp : ProtocolType.Unspecified);

    private sealed class Connection(Socket client) : IDisposable
    {
        private readonly ConcurrentBag<Socket> targets = [];

        public async Task<NetworkStream> ConnectAsync(EndPoint at, CancellationToken stopping)
        {
            var target = NewSocket(at);
            targets.Add(target);
            if (at is IPEndPoint)
                client.NoDelay = target.NoDelay = true;
            await target.ConnectAsync(at, stopping);
            return new NetworkStream(target);
        }

        public void Abort()
        {
            foreach (var end in targets.Append(client))
                end.Dispose();
        }

        public void Dispose() => Abort();
    }
}
