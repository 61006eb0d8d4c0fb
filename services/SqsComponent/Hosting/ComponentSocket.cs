using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Options;
using PiiMasking.ServiceDefaults;

namespace PiiMasking.SqsComponent.Hosting;

/// <summary>The unix socket by which a sidecar finds the component: <c>sqs.sock</c> makes it <c>pubsub.sqs</c>.</summary>
internal static class ComponentSocket
{
    private const string FileName = "sqs.sock";
    private const string DefaultFolder = "/tmp/dapr-components-sockets";

    // What fits into sockaddr_un, less the final zero.
    private const int LongestPathBytes = 107;

    // daprd runs as another user, and connecting takes the right to write.
    private const UnixFileMode Mode =
        UnixFileMode.UserRead | UnixFileMode.UserWrite
        | UnixFileMode.GroupRead | UnixFileMode.GroupWrite
        | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;

    /// <exception cref="StartupException">The socket cannot be made there, or another process answers on it.</exception>
    public static void AddComponentSocket(this WebApplicationBuilder builder)
    {
        if (OperatingSystem.IsWindows())
            throw new StartupException("the component needs unix sockets and file modes; run it on Linux, macOS or WSL2");
        var path = Path.GetFullPath(Path.Combine(Folder(builder.Configuration), FileName));
        Prepare(path);

        builder.Services.AddOptions<ComponentOptions>().BindConfiguration("Component").ValidateDataAnnotations().ValidateOnStart();
        builder.WebHost.ConfigureKestrel((context, kestrel) =>
        {
            // A sidecar that hands over one batch at a time leaves the others waiting in the stream, for as long as it takes.
            kestrel.Limits.MinResponseDataRate = null;
            kestrel.Limits.MinRequestBodyDataRate = null;
            kestrel.ListenUnixSocket(path, socket => socket.Protocols = HttpProtocols.Http2);
            var options = kestrel.ApplicationServices.GetRequiredService<IOptions<ComponentOptions>>().Value;
            if (options.AdminUrl is { } admin)
                kestrel.ListenAdmin(admin);
        });
        builder.Services.AddHostedService(services => new OpenToAll(path, services.GetRequiredService<ILogger<OpenToAll>>()));
    }

    private static string Folder(ConfigurationManager configuration)
    {
        // daprd reads the plural; the Kubernetes injector sets the singular in the component's container.
        foreach (var name in (string[])["DAPR_COMPONENTS_SOCKETS_FOLDER", "DAPR_COMPONENT_SOCKETS_FOLDER"])
        {
            if (configuration[name] is { Length: > 0 } folder)
                return folder;
        }

        return DefaultFolder;
    }

    private static void Prepare(string path)
    {
        if (Encoding.UTF8.GetByteCount(path) > LongestPathBytes)
        {
            throw new StartupException(
                $"the path {path} is longer than the {LongestPathBytes} bytes that a socket may have; set DAPR_COMPONENTS_SOCKETS_FOLDER");
        }

        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            if (!File.Exists(path))
                return;
            if (new FileInfo(path).Length > 0)
                throw new StartupException($"{path} is there and is not a socket; remove it");
            if (SomebodyAnswers(path))
            {
                throw new StartupException(
                    $"another process answers on {path}; stop it, or set DAPR_COMPONENTS_SOCKETS_FOLDER to another folder");
            }

            // Left behind by a process that was killed; a sidecar that finds it would wait on it for ever.
            File.Delete(path);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new StartupException(
                $"{path} cannot be made ({fault.Message}); set DAPR_COMPONENTS_SOCKETS_FOLDER to a folder of this user");
        }
    }

    private static bool SomebodyAnswers(string path)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <summary>Sets the mode once the socket is there.</summary>
    private sealed class OpenToAll(string path, ILogger<OpenToAll> logger) : IHostedLifecycleService
    {
        public Task StartedAsync(CancellationToken cancellationToken)
        {
            if (!OperatingSystem.IsWindows())
                File.SetUnixFileMode(path, Mode);
            logger.Listening(path);
            return Task.CompletedTask;
        }

        public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
