using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace PiiMasking.EndToEnd.Tests.Storm;

/// <summary>What a network may do to the connections that go through it.</summary>
internal enum Network
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

/// <summary>A loopback port whose connections go to another one, by way of a network that can be made bad.</summary>
internal sealed class TcpProxy : IAsyncDisposable
{
    private const int ChunkBytes = 64 << 10;

    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(20);

    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource stop = new();
    private readonly ConcurrentDictionary<Connection, byte> open = [];
    private readonly Task accepting;

    public TcpProxy()
    {
        listener.Start();
        accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

    /// <summary>The loopback port behind it, for connections from now on.</summary>
    public int Target { get; set; }

    public Network Network { get; set; }

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
        listener.Stop();
        Cut();
        await accepting;
        stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
                _ = CarryAsync(await listener.AcceptTcpClientAsync(stop.Token));
        }
        catch (Exception ended) when (ended is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // Disposed of.
        }
    }

    private async Task CarryAsync(TcpClient client)
    {
        using var connection = new Connection(client);
        open[connection] = 0;
        try
        {
            if (Network == Network.Refusing)
                return;
            var targets = new List<NetworkStream> { await connection.ConnectAsync(Target, stop.Token) };
            if (Network == Network.Doubling)
                targets.Add(await connection.ConnectAsync(Target, stop.Token));
            var source = client.GetStream();
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
                while (Network == Network.Silent)
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

    private sealed class Connection(TcpClient client) : IDisposable
    {
        private readonly ConcurrentBag<TcpClient> targets = [];

        public async Task<NetworkStream> ConnectAsync(int port, CancellationToken stopping)
        {
            var target = new TcpClient { NoDelay = true };
            targets.Add(target);
            await target.ConnectAsync(IPAddress.Loopback, port, stopping);
            client.NoDelay = true;
            return target.GetStream();
        }

        public void Abort()
        {
            foreach (var end in targets.Append(client))
                end.Dispose();
        }

        public void Dispose() => Abort();
    }
}
