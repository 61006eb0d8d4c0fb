using System.Net.Sockets;
using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Reflection.V1Alpha;

namespace PiiMasking.Sidecar.Components;

/// <summary>Finds pluggable components once, at start, by asking every socket of the folder what it serves.</summary>
internal sealed class SocketDiscovery(SidecarOptions options, TimeProvider time, ILogger<SocketDiscovery> logger)
{
    private const string PubSubService = "dapr.proto.components.v1.PubSub";

    // Where daprd hangs on a socket that nobody serves, this ends with an error that names it.
    private static readonly TimeSpan AnswerWithin = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan Retry = TimeSpan.FromMilliseconds(100);

    /// <returns>Socket path by component type in lower case, for example "pubsub.sqs".</returns>
    public async Task<IReadOnlyDictionary<string, string>> FindAsync(CancellationToken stopping)
    {
        var found = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        if (OperatingSystem.IsWindows() || !Directory.Exists(options.SocketsFolder))
            return found;

        foreach (var path in Directory.EnumerateFiles(options.SocketsFolder).Order(StringComparer.Ordinal))
        {
            if (!IsSocket(path))
            {
                logger.NotASocket(path);
                continue;
            }

            try
            {
                foreach (var service in await ServicesAsync(path, stopping))
                {
                    if (service == PubSubService)
                        found["pubsub." + Path.GetFileNameWithoutExtension(path)] = path;
                }
            }
            catch (RpcException failed)
            {
                stopping.ThrowIfCancellationRequested();
                // One socket that errors ends the discovery of all, as with daprd.
                logger.DiscoveryFailed(path, failed.StatusCode);
                return new Dictionary<string, string>();
            }
        }

        foreach (var (type, socket) in found)
            logger.ComponentDiscovered(type, socket);
        return found;
    }

    /// <summary>A channel to a unix socket, with daprd's limit of 4 MiB for a received message.</summary>
    public static GrpcChannel Dial(string socket) => GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions
    {
        HttpHandler = new SocketsHttpHandler
        {
            ActivityHeadersPropagator = null,
            UseProxy = false,
            ConnectTimeout = Timeout.InfiniteTimeSpan,
            PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
            // A full message passes without waiting for the window to open.
            InitialHttp2StreamWindowSize = 4 << 20,
            ConnectCallback = async (_, stopping) =>
            {
                var connection = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                try
                {
                    await connection.ConnectAsync(new UnixDomainSocketEndPoint(socket), stopping);
                    return new NetworkStream(connection, ownsSocket: true);
                }
                catch
                {
                    connection.Dispose();
                    throw;
                }
            },
        },
        DisposeHttpClient = true,
        MaxReceiveMessageSize = 4 << 20,
        MaxSendMessageSize = null,
        MaxRetryBufferSize = null,
    });

    private async Task<IReadOnlyList<string>> ServicesAsync(string path, CancellationToken stopping)
    {
        using var channel = Dial(path);
        var client = new ServerReflection.ServerReflectionClient(channel);
        var giveUpAt = time.GetUtcNow() + AnswerWithin;
        for (; ; )
        {
            try
            {
                using var call = client.ServerReflectionInfo(deadline: giveUpAt.UtcDateTime, cancellationToken: stopping);
                await call.RequestStream.WriteAsync(new ServerReflectionRequest { ListServices = "*" }, stopping);
                var answered = await call.ResponseStream.MoveNext(stopping);
                return answered && call.ResponseStream.Current.ListServicesResponse is { } services
                    ? [.. services.Service.Select(service => service.Name)]
                    : [];
            }
            // Its process may be about to take the socket over.
            catch (RpcException away) when (away.StatusCode == StatusCode.Unavailable && time.GetUtcNow() < giveUpAt)
            {
                await Task.Delay(Retry, time, stopping);
            }
        }
    }

    // A socket cannot be opened as a file, anything else can.
    private static bool IsSocket(string path)
    {
        try
        {
            using var handle = File.OpenHandle(path);
            return false;
        }
        catch (UnauthorizedAccessException)
        {
            return true;
        }
        catch (IOException)
        {
            return true;
        }
    }
}
