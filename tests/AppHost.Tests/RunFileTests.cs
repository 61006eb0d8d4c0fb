using System.Globalization;
using PiiMasking.Backing;
using PiiMasking.Testing;
using YamlDotNet.Serialization;
using YamlDotNet.Serialization.NamingConventions;

namespace PiiMasking.AppHost.Tests;

/// <summary><c>AppHost --only backing</c> and, beside it, what <c>dapr run -f .</c> starts by dapr.yaml; the stand-in plays daprd.</summary>
/// <remarks>In a folder that looks like the repository, so that the relative paths of dapr.yaml are tried as they are written.</remarks>
[Collection(FixedPorts.Name)]
public sealed class RunFileTests : IAsyncDisposable
{
    private const string SocketsFolder = "DAPR_COMPONENTS_SOCKETS_FOLDER";

    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    private readonly ScratchFolder folder = new();
    private readonly Stack<ChildProcess> processes = [];
    private readonly List<LoopbackPort> ports = [];

    private readonly RunFile runFile = new DeserializerBuilder()
        .WithNamingConvention(CamelCaseNamingConvention.Instance).IgnoreUnmatchedProperties().Build()
        .Deserialize<RunFile>(File.ReadAllText(Path.Combine(Repository.Root, "dapr.yaml")));

    public async ValueTask DisposeAsync()
    {
        foreach (var process in processes)
            await process.DisposeAsync();
        ports.ForEach(port => port.Dispose());
        Environment.SetEnvironmentVariable(SocketsFolder, null);
        folder.Dispose();
    }

    [Fact]
    public async Task A_login_on_the_queue_becomes_a_row()
    {
        Assert.SkipWhen(IsBusy(15432) || IsBusy(5103) || runFile.Apps.Exists(app => IsBusy(app.AppPort)), "A port of dapr.yaml is in use on this machine.");
        Directory.CreateSymbolicLink(folder["components"], Path.Combine(Repository.Root, "components"));
        Environment.SetEnvironmentVariable(SocketsFolder, folder["sockets"]);
        var stopping = TestContext.Current.CancellationToken;
        using var state = State.TakeFirst(folder[".local"]);
        await using var backing = await LocalSystem.StartAsync(new LocalSystemOptions { OnlyBacking = true }, state, _ => { }, stopping);
        foreach (var app in runFile.Apps)
            StartAsDaprRunDoes(app);

        // The component makes the queue when ingestion's sidecar subscribes, which waits for both services to be ready.
        await Eventually.HoldsAsync("the queue is there", async () => (await backing.Queue.DepthAsync(stopping)).IsEmpty, LastOfEachLog, Limit, stopping);
        await backing.Queue.SendAsync(new[] { A.Login() }.ToAsyncEnumerable(), _ => { }, stopping);
        await Eventually.EqualsAsync("logins stored", 1L, async () => (await backing.Database.TotalsAsync(stopping)).Stored, Limit, stopping);
    }

    private void StartAsDaprRunDoes(RunFileApp app)
    {
        var (http, grpc) = (LoopbackPort.Reserve(), LoopbackPort.Reserve());
        ports.AddRange([http, grpc]);
        var project = Path.GetFileNameWithoutExtension(app.Command[^1]);
        var built = Path.GetDirectoryName(Path.Combine(folder.Path, app.Command[^1]))!;
        Directory.CreateDirectory(Path.GetDirectoryName(built)!);
        Directory.CreateSymbolicLink(built, Path.GetDirectoryName(DotnetProgram.Assembly(project))!);
        Start(app.AppID, app.Command.Skip(1), new(app.Env.ToDictionary(setting => setting.Key, setting => (string?)setting.Value))
        {
            ["APP_PORT"] = app.AppPort.ToString(CultureInfo.InvariantCulture),
            ["DAPR_HTTP_PORT"] = http.ToString(),
            ["DAPR_GRPC_PORT"] = grpc.ToString(),
        });
        List<string> flags =
        [
            "--app-id", app.AppID,
            "--app-port", app.AppPort.ToString(CultureInfo.InvariantCulture),
            "--dapr-http-port", http.ToString(),
            "--dapr-grpc-port", grpc.ToString(),
            "--config", app.ConfigFilePath,
            .. runFile.Common.ResourcesPaths.SelectMany(path => (string[])["--resources-path", path]),
        ];
        if (app.EnableAppHealthCheck)
            flags.AddRange(["--enable-app-health-check", "--app-health-check-path", app.AppHealthCheckPath!]);
        Start($"sidecar-{app.AppID}", [DotnetProgram.Assembly("Sidecar"), .. flags]);
    }

    private string LastOfEachLog() => string.Join('\n', Directory.EnumerateFiles(folder.Path, "*.log", SearchOption.AllDirectories)
        .SelectMany(log => (string[])[$"-- {Path.GetFileName(log)}", .. File.ReadLines(log).TakeLast(8)]));

    private void Start(string name, IEnumerable<string> arguments, Dictionary<string, string?>? environment = null)
    {
        Directory.CreateDirectory(folder["tmp"]);
        processes.Push(ChildProcess.Start(new ChildProcessStart
        {
            Name = name,
            Program = DotnetProgram.Dotnet,
            Arguments = [.. arguments],
            Environment = new Dictionary<string, string?>(environment ?? [])
            {
                // Where the stand-in's apps find each other: other systems may run here.
                ["TMPDIR"] = folder["tmp"],
            },
            WorkingFolder = folder.Path,
            LogFile = folder[$"{name}.log"],
        }));
    }

    private static bool IsBusy(int port)
    {
        try
        {
            LoopbackPort.Reserve(port).Dispose();
            return false;
        }
        catch (BackingException)
        {
            return true;
        }
    }

    private sealed class RunFile
    {
        public RunFileCommon Common { get; set; } = new();

        public List<RunFileApp> Apps { get; set; } = [];
    }

    private sealed class RunFileCommon
    {
        public List<string> ResourcesPaths { get; set; } = [];
    }

    private sealed class RunFileApp
    {
        public string AppID { get; set; } = "";

        public int AppPort { get; set; }

        public string ConfigFilePath { get; set; } = "";

        public bool EnableAppHealthCheck { get; set; }

        public string? AppHealthCheckPath { get; set; }

        public List<string> Command { get; set; } = [];

        public Dictionary<string, string> Env { get; set; } = [];
    }
}
