using PiiMasking.Backing;

namespace PiiMasking.AppHost;

/// <summary>What <c>--sidecar</c> takes.</summary>
internal enum SidecarChoice
{
    /// <summary>daprd if it is on the PATH, else the stand-in.</summary>
    Auto,

    /// <summary>The real one.</summary>
    Daprd,

    /// <summary>The stand-in in local/Sidecar.</summary>
    Local,
}

/// <summary>A sidecar program and the arguments that come before those both kinds understand.</summary>
/// <param name="Description">What it is, for the user.</param>
/// <param name="Program">Full path.</param>
/// <param name="Arguments">Put in front of the sidecar's flags.</param>
internal sealed record SidecarProgram(string Description, string Program, IReadOnlyList<string> Arguments)
{
    /// <exception cref="BackingException">daprd was asked for and is not there.</exception>
    public static SidecarProgram Choose(SidecarChoice choice) => (choice, Programs.Find("daprd")) switch
    {
        (SidecarChoice.Auto or SidecarChoice.Daprd, { } daprd) => new SidecarProgram("daprd", daprd, []),
        (SidecarChoice.Daprd, null) => throw new BackingException(
            "daprd is not on the PATH: install it (https://docs.dapr.io), add its folder (usually ~/.dapr/bin) to the PATH, or use --sidecar local."),
        _ => new SidecarProgram("stand-in for daprd (local/Sidecar)", DotnetProgram.Dotnet, [DotnetProgram.Assembly("Sidecar")]),
    };
}

/// <summary>A sidecar of one app: its ports and what it is started with.</summary>
internal sealed class Sidecar : IDisposable
{
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

    private string AppToken { get; } = NewToken();

    /// <param name="program">daprd or the stand-in, which takes the same flags.</param>
    /// <param name="components">The folder of component sets.</param>
    /// <param name="run">Its working folder.</param>
    /// <param name="sockets">Where it looks for pluggable components.</param>
    /// <param name="logFile">Receives its output.</param>
    /// <param name="debug">Log at debug level.</param>
    /// <param name="appHealthPath">Deliver only while this path of the app answers 2xx; null to take it for healthy.</param>
    public ChildProcessStart Start(
        SidecarProgram program, string components, RunFolder run, string sockets, string logFile, bool debug, string? appHealthPath = null) => new()
    {
        Name = $"{AppId} sidecar",
        Program = program.Program,
        Arguments =
        [
            .. program.Arguments,
            "--app-id", AppId,
            "--app-port", AppPort.ToString(),
            "--dapr-http-port", Http.ToString(),
            "--dapr-grpc-port", grpc.ToString(),
            "--dapr-internal-grpc-port", internalGrpc.ToString(),
            "--dapr-listen-addresses", "127.0.0.1",
            "--dapr-internal-grpc-listen-address", "127.0.0.1",
            "--resources-path", Path.Combine(components, "common"),
            "--resources-path", Path.Combine(components, "local"),
            "--config", Path.Combine(components, "local", $"configuration-{AppId}.yaml"),
            "--config", run.NameResolution,
            "--enable-metrics=false",
            "--dapr-graceful-shutdown-seconds", "3",
            "--log-level", debug ? "debug" : "info",
            // The defaults are made for a cluster; here one second after the database is back, messages flow again.
            .. appHealthPath is null
                ? []
                : (string[])["--enable-app-health-check", "--app-health-check-path", appHealthPath,
                    "--app-health-probe-interval", "1", "--app-health-probe-timeout", "900"],
        ],
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

    public void Dispose()
    {
        Http.Dispose();
        grpc.Dispose();
        internalGrpc.Dispose();
    }

    private static string NewToken() => System.Security.Cryptography.RandomNumberGenerator.GetHexString(32, lowercase: true);
}
