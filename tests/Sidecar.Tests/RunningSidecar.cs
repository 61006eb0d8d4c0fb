using System.Net.Http.Headers;
using PiiMasking.Backing;

namespace PiiMasking.Sidecar.Tests;

/// <summary>A sidecar in the test's own process, made from a command line as the program makes it.</summary>
internal sealed class RunningSidecar : IAsyncDisposable
{
    private readonly Task running;

    private RunningSidecar(SidecarOptions options, Task running)
    {
        Options = options;
        this.running = running;
        Http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{options.HttpPort}"), Timeout = TimeSpan.FromSeconds(30) };
        if (options.ApiToken is { } token)
            Http.DefaultRequestHeaders.Add("dapr-api-token", token);
    }

    public SidecarOptions Options { get; }

    /// <summary>The HTTP API, with the token if there is one.</summary>
    public HttpClient Http { get; }

    public string HttpEndpoint => $"http://127.0.0.1:{Options.HttpPort}";

    public string GrpcEndpoint => $"http://127.0.0.1:{Options.GrpcPort}";

    /// <summary>Starts it and waits until components and API are up.</summary>
    /// <param name="setup">Everything but the ports.</param>
    public static async Task<RunningSidecar> StartAsync(Setup setup, CancellationToken stopping)
    {
        var options = setup.Options();
        var running = Task.Run(() => SidecarHost.RunAsync(options), stopping);
        var sidecar = new RunningSidecar(options, running);
        await Testing.Eventually.HoldsAsync("the sidecar is up", async () =>
        {
            if (running.IsFaulted)
                return true;
            using var response = await sidecar.Http.GetAsync("/v1.0/healthz/outbound", stopping);
            return response.IsSuccessStatusCode;
        }, stopping: stopping);
        if (running.IsFaulted)
            await running;
        return sidecar;
    }

    /// <summary>Asks it to stop and waits until it has.</summary>
    public async Task StopAsync()
    {
        if (!running.IsCompleted)
        {
            try
            {
                using var response = await Http.PostAsync("/v1.0/shutdown", null);
            }
            catch (HttpRequestException)
            {
                // On its way down already; whether it gets there, the wait below tells.
            }
        }

        await running.WaitAsync(TimeSpan.FromSeconds(20));
    }

    public Dapr.Client.DaprClient Client() => new Dapr.Client.DaprClientBuilder()
        .UseHttpEndpoint(HttpEndpoint)
        .UseGrpcEndpoint(GrpcEndpoint)
        .UseDaprApiToken(Options.ApiToken ?? "")
        .Build();

    public async ValueTask DisposeAsync()
    {
        try
        {
            await StopAsync();
        }
        finally
        {
            Http.Dispose();
        }
    }
}

/// <summary>What a test wants of its sidecar: flags, environment and files.</summary>
internal sealed class Setup : IDisposable
{
    private readonly Testing.ScratchFolder folder = new();
    private readonly List<LoopbackPort> ports = [];
    private readonly List<string> flags = [];
    private readonly Dictionary<string, string> environment = new(StringComparer.Ordinal);

    public Setup(string appId = "app")
    {
        Directory.CreateDirectory(folder["resources"]);
        Directory.CreateDirectory(Sockets);
        AppId = appId;
        Flag("log-level", "fatal");
        Environment("DAPR_COMPONENTS_SOCKETS_FOLDER", Sockets);
        // Its own registry, so that tests that run side by side do not see each other.
        Registry(folder["names.db"]);
    }

    public string AppId { get; }

    public string Sockets => folder["sockets"];

    public string this[string file] => folder[file];

    public Setup Flag(string name, object? value = null)
    {
        flags.Add(value is null ? $"--{name}" : $"--{name}={value}");
        return this;
    }

    public Setup Environment(string name, string value)
    {
        environment[name] = value;
        return this;
    }

    public Setup App(TestApp app) => Flag("app-port", app.Port);

    /// <summary>A file in the resources folder.</summary>
    public Setup Resource(string yaml, string file = "resource")
    {
        File.WriteAllText(folder[$"resources/{file}-{Guid.NewGuid():N}.yaml"], yaml);
        return this;
    }

    public Setup InMemory(string name = "pubsub", string metadata = "[]") => Resource($$"""
        apiVersion: dapr.io/v1alpha1
        kind: Component
        metadata: { name: {{name}} }
        spec: { type: pubsub.in-memory, version: v1, metadata: {{metadata}} }
        """);

    public Setup Pluggable(string name = "pubsub", string type = "pubsub.test", string metadata = "[]", string more = "") => Resource($$"""
        apiVersion: dapr.io/v1alpha1
        kind: Component
        metadata: { name: {{name}} }
        spec: { type: {{type}}, version: v1, metadata: {{metadata}}{{more}} }
        """);

    /// <summary>A secret store "secrets" over the given JSON.</summary>
    public Setup Secrets(string json, string metadata = "")
    {
        File.WriteAllText(folder["secrets.json"], json);
        return Resource($$"""
            apiVersion: dapr.io/v1alpha1
            kind: Component
            metadata: { name: secrets }
            spec:
              type: secretstores.local.file
              version: v1
              metadata: [{ name: secretsFile, value: {{folder["secrets.json"]}} }{{metadata}}]
            """);
    }

    /// <summary>A Configuration with this spec.</summary>
    public Setup Configuration(string spec)
    {
        var file = folder[$"config-{Guid.NewGuid():N}.yaml"];
        File.WriteAllText(file, $"apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {{ name: c }}\nspec: {spec}\n");
        return Flag("config", file);
    }

    public Setup Registry(string path) =>
        Configuration($$"""{ nameResolution: { component: sqlite, configuration: { connectionString: "{{path}}" } } }""");

    /// <summary>The options, on ports that are free.</summary>
    public SidecarOptions Options()
    {
        string[] arguments =
        [
            "--app-id", AppId,
            .. flags,
            "--resources-path", folder["resources"],
            .. Ports(),
        ];
        return Flags.Interpret(Flags.Read(arguments), environment.GetValueOrDefault);
    }

    public void Dispose()
    {
        ports.ForEach(port => port.Dispose());
        folder.Dispose();
    }

    private IEnumerable<string> Ports()
    {
        foreach (var flag in (string[])["dapr-http-port", "dapr-grpc-port", "dapr-internal-grpc-port"])
        {
            var port = LoopbackPort.Reserve();
            ports.Add(port);
            yield return $"--{flag}={port}";
        }
    }
}
