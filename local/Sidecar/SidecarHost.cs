using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging.Console;
using PiiMasking.Sidecar.Api;
using PiiMasking.Sidecar.App;
using PiiMasking.Sidecar.Components;
using PiiMasking.Sidecar.Invocation;
using PiiMasking.Sidecar.PubSub;
using PiiMasking.Sidecar.Resources;
using PiiMasking.Sidecar.Secrets;

namespace PiiMasking.Sidecar;

/// <summary>The sidecar as a host: three ports, and all its parts.</summary>
internal static class SidecarHost
{
    // Go's server allows 4 KiB more than the header limit it is given; between sidecars there are a few headers more.
    private const int HeaderSlack = 4096 + 1024;

    /// <summary>Runs a sidecar until it is told to stop.</summary>
    /// <exception cref="StartupException">It cannot start; the message is all there is to say.</exception>
    public static async Task RunAsync(SidecarOptions options)
    {
        options = WithFreeInternalPort(options);

        // Empty: the environment around the sidecar is the app's, and must not configure the sidecar's own host.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        AddLogging(builder, options);
        AddServers(builder, options);
        AddParts(builder, options);

        await using var host = builder.Build();
        var logger = host.Services.GetRequiredService<ILogger<SidecarRuntime>>();
        logger.Starting(SidecarOptions.Version, options.AppId, options.HttpPort, options.GrpcPort, options.InternalPort);
        Map(host);

        var lifetime = host.Services.GetRequiredService<IHostApplicationLifetime>();
        var runtime = host.Services.GetRequiredService<SidecarRuntime>();
        // Until the host runs, nobody catches Ctrl-C and SIGTERM, so there they simply end the process.
        await runtime.PrepareAsync(CancellationToken.None);
        await StartAsync(host, options);
        try
        {
            await runtime.RunAsync(lifetime.ApplicationStopping);
        }
        finally
        {
            // Calls that pass through are finished too.
            using var patience = new CancellationTokenSource(options.GracefulShutdown);
            await host.StopAsync(patience.Token);
        }
    }

    private static void AddLogging(WebApplicationBuilder builder, SidecarOptions options)
    {
        builder.Logging.SetMinimumLevel(options.LogLevel);
        // The libraries' own lines may hold addresses and headers.
        builder.Logging.AddFilter((category, level) =>
            category?.StartsWith("PiiMasking.", StringComparison.Ordinal) == true
                ? level >= options.LogLevel
                : level >= LogLevel.Error && category != "Yarp.ReverseProxy.Forwarder.HttpForwarder");

        const string time = "yyyy-MM-dd'T'HH:mm:ss.fff'Z' ";
        if (options.LogAsJson)
        {
            builder.Logging.AddJsonConsole(console =>
            {
                console.TimestampFormat = time.TrimEnd();
                console.UseUtcTimestamp = true;
            });
        }
        else
        {
            builder.Logging.AddSimpleConsole(console =>
            {
                console.SingleLine = true;
                console.TimestampFormat = time;
                console.UseUtcTimestamp = true;
                console.ColorBehavior = LoggerColorBehavior.Disabled;
            });
        }
    }

    private static void AddServers(WebApplicationBuilder builder, SidecarOptions options)
    {
        builder.WebHost.UseKestrelCore();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = options.MaxBodyBytes;
            kestrel.Limits.MaxRequestHeadersTotalSize = options.ReadBufferBytes + HeaderSlack;
            kestrel.Limits.MaxRequestLineSize = options.ReadBufferBytes + HeaderSlack;
            // A slow app or a debugger in it is no reason to hang up.
            kestrel.Limits.MinRequestBodyDataRate = null;
            kestrel.Limits.MinResponseDataRate = null;

            foreach (var address in ListenAddresses(options))
            {
                kestrel.Listen(address, options.HttpPort, listen => Open(listen, HttpProtocols.Http1, Door.Http));
                kestrel.Listen(address, options.GrpcPort, listen => Open(listen, HttpProtocols.Http2, Door.Grpc));
            }

            kestrel.Listen(IPAddress.Loopback, options.InternalPort, listen => Open(listen, HttpProtocols.Http1, Door.Internal));
        });

        static void Open(ListenOptions listen, HttpProtocols protocols, Door door)
        {
            listen.Protocols = protocols;
            listen.Use(next => connection =>
            {
                connection.Features.Set(door);
                return next(connection);
            });
        }
    }

    private static void AddParts(WebApplicationBuilder builder, SidecarOptions options)
    {
        var services = builder.Services;
        services.AddSingleton(options);
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton(provider => Configuration.Load(
            options.ConfigPaths, Environment.GetEnvironmentVariable, provider.GetRequiredService<ILogger<SidecarRuntime>>()));
        services.AddSingleton<SidecarRuntime>();
        services.AddSingleton<Readiness>();
        services.AddSingleton<ResourceLoader>();
        services.AddSingleton<SocketDiscovery>();
        services.AddSingleton<ComponentRegistry>();
        services.AddSingleton<AppChannel>();
        services.AddSingleton<AppHealth>();
        services.AddSingleton<Publisher>();
        services.AddSingleton<SingleDelivery>();
        services.AddSingleton<BulkDelivery>();
        services.AddSingleton<Subscriptions>();
        services.AddSingleton<NameResolution>();
        services.AddSingleton<Invoker>();
        services.AddSingleton<SecretReader>();
        services.AddSingleton<RuntimeMetadata>();

        services.AddRouting();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<Microsoft.AspNetCore.Routing.MatcherPolicy, DoorPolicy>());
        services.AddHttpForwarder();
        services.AddGrpc(grpc =>
        {
            grpc.MaxReceiveMessageSize = (int?)Math.Min(options.MaxBodyBytes ?? int.MaxValue, int.MaxValue);
            grpc.MaxSendMessageSize = null;
        });
        services.AddGrpcReflection();
    }

    private static void Map(WebApplication host)
    {
        host.UseMiddleware<Gatekeeper>();
        host.MapWhen(
            context => context.Features.Get<Door>() == Door.Internal,
            branch => branch.Run(context => context.RequestServices.GetRequiredService<Invoker>().AnswerAsync(context)));
        host.UseRouting();
        host.MapHttpApi();
        host.MapGrpcService<GrpcApi>().WithMetadata(Door.Grpc);
        host.MapGrpcReflectionService().WithMetadata(Door.Grpc);
    }

    private static async Task StartAsync(WebApplication host, SidecarOptions options)
    {
        (string Flag, int Port, IEnumerable<IPAddress> Addresses)[] ports =
        [
            ("dapr-http-port", options.HttpPort, ListenAddresses(options)),
            ("dapr-grpc-port", options.GrpcPort, ListenAddresses(options)),
            ("dapr-internal-grpc-port", options.InternalPort, [IPAddress.Loopback]),
        ];
        foreach (var (flag, port, addresses) in ports)
        {
            foreach (var address in addresses)
                Probe(flag, port, address);
        }

        try
        {
            await host.StartAsync();
        }
        catch (IOException taken)
        {
            throw new StartupException(taken.Message);
        }
    }

    // As daprd does, so that two sidecars of one app can run side by side.
    private static SidecarOptions WithFreeInternalPort(SidecarOptions options)
    {
        if (options.InternalPortIsGiven)
            return options;
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Loopback, options.InternalPort));
        }
        catch (SocketException)
        {
            socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        }

        return options with { InternalPort = ((IPEndPoint)socket.LocalEndPoint!).Port };
    }

    private static void Probe(string flag, int port, IPAddress address)
    {
        using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            // As Kestrel does, so that connections of an earlier run that still linger are no obstacle.
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, !OperatingSystem.IsWindows());
            socket.Bind(new IPEndPoint(address, port));
            socket.Listen();
        }
        catch (SocketException taken)
        {
            throw new StartupException(taken.SocketErrorCode == SocketError.AddressAlreadyInUse
                ? $"port {port} on {address} is already in use: choose another with --{flag}"
                : $"cannot listen on {address}, port {port} (--{flag}): {taken.SocketErrorCode}");
        }
    }

    // Loopback unless told otherwise: this is for one machine.
    private static IEnumerable<IPAddress> ListenAddresses(SidecarOptions options)
    {
        if (options.ListenAddresses.Count == 0)
            return [IPAddress.Loopback];
        return options.ListenAddresses.Select(text => IPAddress.TryParse(text.Trim('[', ']'), out var address)
            ? address
            : text == "localhost"
                ? IPAddress.Loopback
                : throw new StartupException($"invalid argument \"{text}\" for \"--dapr-listen-addresses\": an IP address is needed"));
    }
}
