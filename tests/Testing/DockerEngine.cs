using System.Net.Sockets;
using System.Text.Json;

namespace PiiMasking.Testing;

/// <summary>Looks whether a Docker engine answers, and makes Testcontainers speak its version.</summary>
internal static class DockerEngine
{
    private const string ApiVersionVariable = "DOCKER_API_VERSION";
    private static readonly Version NewestOfTestcontainers = new(1, 44);

    /// <returns>True if an engine answers on the unix socket of DOCKER_HOST or on the usual one.</returns>
    public static async Task<bool> AnswersAsync()
    {
        var host = Environment.GetEnvironmentVariable("DOCKER_HOST");
        if (host is not null && !host.StartsWith("unix://", StringComparison.Ordinal))
            return true; // Remote: Testcontainers will find out.
        var socket = host?["unix://".Length..] ?? "/var/run/docker.sock";
        if (!File.Exists(socket))
            return false;

        using var http = new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = async (_, stopping) =>
            {
                var connection = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await connection.ConnectAsync(new UnixDomainSocketEndPoint(socket), stopping);
                return new NetworkStream(connection, ownsSocket: true);
            },
        })
        { Timeout = TimeSpan.FromSeconds(5) };
        try
        {
            using var version = JsonDocument.Parse(await http.GetStringAsync(new Uri("http://docker/version")));
            UseApiVersion(version.RootElement.GetProperty("ApiVersion").GetString());
            return true;
        }
        catch (Exception error) when (error is HttpRequestException or SocketException or OperationCanceledException or JsonException)
        {
            return false;
        }
    }

    /// <summary>Testcontainers asks for its own newest version, which an older engine refuses.</summary>
    private static void UseApiVersion(string? ofEngine)
    {
        if (Environment.GetEnvironmentVariable(ApiVersionVariable) is null
            && Version.TryParse(ofEngine, out var version) && version < NewestOfTestcontainers)
        {
            Environment.SetEnvironmentVariable(ApiVersionVariable, ofEngine);
        }
    }
}
