using System.Security.Cryptography;
using System.Text.Json;
using PiiMasking.Backing;

namespace PiiMasking.AppHost;

/// <summary>A sidecar of one app: its ports and what it is started with.</summary>
internal sealed class Sidecar : IDisposable
{
    private static readonly TimeSpan SubscriptionLimit = TimeSpan.FromSeconds(15);

    private readonly LoopbackPort grpc = LoopbackPort.Reserve();
    private readonly LoopbackPort internalGrpc = LoopbackPort.Reserve();

    public Sidecar(string appId, LoopbackPort appPort)
    {
        AppId = appId;
        AppPort = appPort;
    }

    public string AppId { get; }

    public LoopbackPort AppPort { get; }

    /// <summary>Where its HTTP API is.</summary>
    public LoopbackPort Http { get; } = LoopbackPort.Reserve();

    public Uri Address => new($"http://127.0.0.1:{Http}");

    /// <summary>What both sides of it are told: the app, and others that call it.</summary>
    public Dictionary<string, string?> EnvironmentOfApp => new()
    {
        ["DAPR_HTTP_PORT"] = Http.ToString(),
        ["DAPR_GRPC_PORT"] = grpc.ToString(),
        ["DAPR_API_TOKEN"] = ApiToken,
        ["APP_API_TOKEN"] = AppToken,
        // From the user's own shell they would lead somewhere else.
        ["DAPR_HTTP_ENDPOINT"] = null,
        ["DAPR_GRPC_ENDPOINT"] = null,
    };

    /// <summary>Made fresh for each run.</summary>
    public string ApiToken { get; } = NewToken();

    /// <summary>What the sidecar shows to its app. Made fresh for each run.</summary>
    public string AppToken { get; } = NewToken();

    /// <param name="program">daprd or the stand-in, which takes the same flags.</param>
    /// <param name="options">Which components it loads, and how it logs.</param>
    /// <param name="run">Its working folder.</param>
    /// <param name="sockets">Where it looks for pluggable components.</param>
    /// <param name="logFile">Receives its output.</param>
    /// <param name="appHealthPath">Deliver only while this path of the app answers 2xx; null to take it for healthy.</param>
    public ChildProcessStart Start(
        SidecarProgram program, LocalSystemOptions options, RunFolder run, string sockets, string logFile, string? appHealthPath = null)
    {
        List<string> arguments =
        [
            .. program.Arguments,
            "--app-id", AppId,
            "--app-port", AppPort.ToString(),
            "--dapr-http-port", Http.ToString(),
            "--dapr-grpc-port", grpc.ToString(),
            "--dapr-internal-grpc-port", internalGrpc.ToString(),
            "--dapr-listen-addresses", "127.0.0.1",
            "--dapr-internal-grpc-listen-address", "127.0.0.1",
            "--resources-path", Path.Combine(options.Components, "common"),
            "--resources-path", options.SetFolder,
            "--config", Path.Combine(options.SetFolder, $"configuration-{AppId}.yaml"),
            "--config", run.NameResolution,
            "--enable-metrics=false",
            // Less than the time after which it is killed. What is still in work then is delivered once more.
            "--dapr-graceful-shutdown-seconds", "8",
            "--log-level", options.Debug ? "debug" : "info",
        ];
        if (appHealthPath is not null)
        {
            // The defaults are made for a cluster; here one second after the database is back, messages flow again.
            arguments.AddRange(["--enable-app-health-check", "--app-health-check-path", appHealthPath]);
            arguments.AddRange(["--app-health-probe-interval", "1", "--app-health-probe-timeout", "900"]);
            // A restart takes less, on a busy machine too: a subscription that is stopped takes the answers of what is in work with it.
            arguments.AddRange(["--app-health-threshold", "15"]);
        }

        return new ChildProcessStart
        {
            Name = $"{AppId} sidecar",
            Program = program.Program,
            Arguments = arguments,
            Environment = new Dictionary<string, string?>
            {
                ["DAPR_API_TOKEN"] = ApiToken,
                ["APP_API_TOKEN"] = AppToken,
                ["DAPR_COMPONENTS_SOCKETS_FOLDER"] = sockets,
                ["DAPR_HOST_IP"] = "127.0.0.1",
                ["NAMESPACE"] = null,
            },
            WorkingFolder = run.Folder,
            LogFile = logFile,
        };
    }

    /// <summary>Waits until the app receives from a pub/sub component.</summary>
    /// <param name="process">The running sidecar.</param>
    /// <param name="pubsub">Name of the component.</param>
    /// <param name="stopping">Ends the wait.</param>
    /// <exception cref="BackingException">The component is not loaded (a file that is not understood is only a warning to daprd), or
    /// nothing is subscribed in time.</exception>
    public async Task WaitForSubscriptionAsync(ChildProcess process, string pubsub, CancellationToken stopping)
    {
        using var http = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { Timeout = TimeSpan.FromSeconds(5) };
        http.DefaultRequestHeaders.Add("dapr-api-token", ApiToken);
        await Readiness.WaitAsync(process, SubscriptionLimit, async () =>
        {
            using var metadata = JsonDocument.Parse(await http.GetStringAsync(new Uri(Address, "/v1.0/metadata"), stopping));
            if (!Names(metadata, "components", "name").Contains(pubsub))
                throw NotSubscribed(process, $"has no pub/sub component {pubsub}");
            return Names(metadata, "subscriptions", "pubsubname").Contains(pubsub);
        }, stopping);
    }

    public void Dispose()
    {
        Http.Dispose();
        grpc.Dispose();
        internalGrpc.Dispose();
    }

    private static IEnumerable<string?> Names(JsonDocument metadata, string list, string member) =>
        metadata.RootElement.TryGetProperty(list, out var elements) && elements.ValueKind == JsonValueKind.Array
            ? elements.EnumerateArray().Select(element => element.GetProperty(member).GetString())
            : [];

    private static BackingException NotSubscribed(ChildProcess process, string what)
    {
        // Its last word on a file is usually why.
        var why = process.LastLines(200).LastOrDefault(line => line.Contains(".yaml", StringComparison.Ordinal)) is { } line ? $" ({line.Trim()})" : "";
        return new BackingException($"The {process.Name} {what}{why}: look into the files in components/local. Its output: {process.LogFile}");
    }

    private static string NewToken() => RandomNumberGenerator.GetHexString(32, lowercase: true);
}
