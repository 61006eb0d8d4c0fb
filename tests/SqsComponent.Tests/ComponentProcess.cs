using System.Net.Http.Json;
using System.Net.Sockets;
using Grpc.Core;
using Grpc.Net.Client;
using PiiMasking.Backing;
using PiiMasking.SqsComponent.Protos;
using PiiMasking.Testing;

namespace PiiMasking.SqsComponent.Tests;

/// <summary>The component as a program of its own, on a socket of its own.</summary>
internal sealed class ComponentProcess : IAsyncDisposable
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(60);

    private readonly ScratchFolder folder;
    private readonly LoopbackPort adminPort = LoopbackPort.Reserve();
    private readonly HttpClient http = new();
    private GrpcChannel? channel;

    private ComponentProcess(ScratchFolder folder, string? socketsFolder, IReadOnlyDictionary<string, string?> environment)
    {
        this.folder = folder;
        socketsFolder ??= folder["sockets"];
        Socket = Path.Combine(socketsFolder, "sqs.sock");
        var settings = new Dictionary<string, string?>
        {
            ["DAPR_COMPONENTS_SOCKETS_FOLDER"] = socketsFolder,
            ["Component__AdminUrl"] = $"http://127.0.0.1:{adminPort}",
            ["Logging__LogLevel__PiiMasking"] = "Debug",
        };
        foreach (var (name, value) in environment)
            settings[name] = value;
        Process = ChildProcess.Start(new ChildProcessStart
        {
            Name = "SqsComponent",
            Program = Programs.Require("dotnet", "install the .NET SDK"),
            Arguments = [Path.Combine(AppContext.BaseDirectory, "SqsComponent.dll")],
            LogFile = folder["component.log"],
            Environment = settings,
        });
    }

    public ChildProcess Process { get; }

    public string Socket { get; }

    public string LogText => File.ReadAllText(folder["component.log"]);

    public Uri Admin => new($"http://127.0.0.1:{adminPort}");

    public GrpcChannel Channel => channel ??= Connect(Socket);

    public PubSub.PubSubClient Client => new(Channel);

    public static async Task<ComponentProcess> StartAsync(
        IReadOnlyDictionary<string, string?>? environment = null, string? socketsFolder = null)
    {
        var component = Launch(environment, socketsFolder: socketsFolder);
        try
        {
            await Readiness.WaitAsync(
                component.Process,
                StartLimit,
                async () => (await component.http.GetAsync(new Uri(component.Admin, "/healthz"))).IsSuccessStatusCode,
                TestContext.Current.CancellationToken);
            return component;
        }
        catch
        {
            await component.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts it and waits for nothing.</summary>
    public static ComponentProcess Launch(
        IReadOnlyDictionary<string, string?>? environment = null, ScratchFolder? folder = null, string? socketsFolder = null) =>
        new(folder ?? new ScratchFolder(), socketsFolder, environment ?? new Dictionary<string, string?>());

    public static GrpcChannel Connect(string socket) => GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions
    {
        // As daprd has it.
        MaxReceiveMessageSize = 4 << 20,
        MaxSendMessageSize = null,
        HttpHandler = new SocketsHttpHandler
        {
            ConnectCallback = async (_, stopping) =>
            {
                var connection = new System.Net.Sockets.Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
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
    });

    public async Task<Counted> CountersAsync() =>
        (await http.GetFromJsonAsync<Counted>(new Uri(Admin, "/counters"), TestContext.Current.CancellationToken))!;

    /// <summary>Does what a sidecar does for a Component file at its start.</summary>
    public async Task<Instance> InitAsync(IDictionary<string, string> metadata, string? name = null)
    {
        var headers = new Metadata { { "x-component-instance", name ?? $"instance-{Guid.NewGuid():n}" } };
        var request = new PubSubInitRequest { Metadata = new MetadataRequest { Properties = { metadata } } };
        await Client.InitAsync(request, headers, cancellationToken: TestContext.Current.CancellationToken);
        return new Instance(Client, headers);
    }

    public async ValueTask DisposeAsync()
    {
        channel?.Dispose();
        http.Dispose();
        await Process.DisposeAsync();
        adminPort.Dispose();
        folder.Dispose();
    }
}

internal sealed record Counted(long Received, long HandedOver, long Deleted, long GivenBack);
