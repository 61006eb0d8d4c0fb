using System.Diagnostics;
using PiiMasking.Backing;

namespace PiiMasking.AppHost;

/// <summary>How to bring a system up.</summary>
internal sealed record LocalSystemOptions
{
    /// <summary>daprd or the stand-in.</summary>
    public SidecarChoice Sidecar { get; init; }

    /// <summary>Without sidecars and services, on the port and in the sockets folder that dapr.yaml and the Dapr CLI expect.</summary>
    public bool OnlyBacking { get; init; }

    /// <summary>Log at debug level.</summary>
    public bool Debug { get; init; }

    /// <summary>The folder of component sets; each sidecar loads common and one other.</summary>
    public string Components { get; init; } = Path.Combine(Repository.Root, "components");

    /// <summary>Folder of the other one; null for local.</summary>
    public string? Set { get; init; }

    /// <summary>The folder that sidecars load besides common.</summary>
    public string SetFolder => Set ?? Path.Combine(Components, "local");

    /// <summary>Keeps the queue in memory: faster, and gone with the system.</summary>
    public bool QueueInMemory { get; init; }

    /// <summary>Whether the component set's broker is the queue; if not, neither it nor the component is started.</summary>
    public bool HasQueue { get; init; } = true;

    /// <summary>Variables for each program of ours.</summary>
    public IReadOnlyDictionary<string, string?> Environment { get; init; } = new Dictionary<string, string?>();

    /// <summary>Alters how the programs of this repository and the sidecars are started, each time; for tests.</summary>
    public Func<ChildProcessStart, ChildProcessStart> Change { get; init; } = start => start;

    /// <summary>False starts whatever ends again after half a second, however often: for tests that end programs on purpose.</summary>
    public bool GivesUp { get; init; } = true;
}

/// <summary>All processes of the system: as much as possible is started at once; all are supervised, and stopped in order.</summary>
internal sealed class LocalSystem : IAsyncDisposable
{
    private const int PostgresPortOfRunFile = 15432;
    private const int PeoplePortOfRunFile = 5103;
    private const string SocketsFolderVariable = "DAPR_COMPONENTS_SOCKETS_FOLDER";
    private const string DefaultSocketsFolder = "/tmp/dapr-components-sockets";

    private const string AliveProbe = "/healthz";
    private const string ReadyProbe = "/readyz";

    /// <summary>Its components and API; the app behind it may come later, and may need them to become ready.</summary>
    private const string SidecarProbe = "/v1.0/healthz/outbound";

    private readonly LocalSystemOptions options;
    private readonly State state;
    private readonly RunFolder run;
    private readonly Action<string> say;

    private readonly Stopwatch took = Stopwatch.StartNew();
    private readonly ServiceReadiness readiness = new();
    private readonly CancellationTokenSource watching = new();
    private readonly LoopbackPort componentPort = LoopbackPort.Reserve();
    private readonly LoopbackPort ingestionPort = LoopbackPort.Reserve();
    private readonly LoopbackPort maskingPort = LoopbackPort.Reserve();
    private readonly LoopbackPort peoplePort = LoopbackPort.Reserve();
    private readonly Sidecar ingestionSidecar;
    private readonly Sidecar maskingSidecar;
    private readonly Supervised[] all;

    private PostgresServer? server;
    private SqsEmulator? emulator;
    private Database? database;
    private LoginQueue? queue;
    private Task watch = Task.CompletedTask;

    private LocalSystem(
        LocalSystemOptions options, State state, RunFolder run, LocalPackages packages, Secrets secrets, PeopleAccess people, SidecarProgram? sidecar,
        Action<string> say)
    {
        this.options = options;
        this.state = state;
        this.run = run;
        this.say = say;
        Secrets = secrets;
        People = people;
        ingestionSidecar = new Sidecar("ingestion", ingestionPort);
        maskingSidecar = new Sidecar("masking", maskingPort);

        Supervised Supervise(Func<CancellationToken, Task<ChildProcess>> start) => new(start, say, TimeProvider.System, options.GivesUp);
        Postgres = Supervise(stopping => LaunchPostgresAsync(packages, stopping));
        Emulator = Supervise(stopping => LaunchEmulatorAsync(packages, stopping));
        Component = Supervise(stopping => LaunchAsync(ComponentStart(), componentPort, AliveProbe, stopping));
        Ingestion = Supervise(stopping => LaunchAsync(IngestionStart(), ingestionPort, AliveProbe, stopping));
        Masking = Supervise(stopping => LaunchAsync(MaskingStart(), maskingPort, AliveProbe, stopping));
        IngestionSidecar = Supervise(stopping => LaunchAsync(IngestionSidecarStart(sidecar!), ingestionSidecar.Http, SidecarProbe, stopping));
        MaskingSidecar = Supervise(stopping => LaunchAsync(MaskingSidecarStart(sidecar!), maskingSidecar.Http, SidecarProbe, stopping));
        all = [Postgres, Emulator, Component, Ingestion, Masking, IngestionSidecar, MaskingSidecar];
    }

    public Secrets Secrets { get; }

    public PeopleAccess People { get; }

    /// <summary>Where the masking service serves people.</summary>
    public Uri PeopleAddress => new($"http://127.0.0.1:{(options.OnlyBacking ? PeoplePortOfRunFile : peoplePort)}");

    public Database Database => database ?? throw new InvalidOperationException("The database has not been started.");

    public LoginQueue Queue => queue ?? throw new InvalidOperationException("The queue has not been started.");

    public Uri QueueEndpoint => emulator?.Endpoint ?? throw new InvalidOperationException("The queue has not been started.");

    /// <summary>The ingestion sidecar's API: its address and token.</summary>
    public Sidecar IngestionApi => ingestionSidecar;

    public Supervised Postgres { get; }

    public Supervised Emulator { get; }

    public Supervised Component { get; }

    public Supervised Ingestion { get; }

    public Supervised Masking { get; }

    public Supervised IngestionSidecar { get; }

    public Supervised MaskingSidecar { get; }

    /// <summary>Where the component says how it is and what it has counted.</summary>
    public Uri ComponentAddress => new($"http://127.0.0.1:{componentPort}");

    /// <summary>The ingestion service and its sidecar: ports and tokens.</summary>
    public Sidecar ToIngestion => ingestionSidecar;

    /// <summary>The masking service and its sidecar: ports and tokens.</summary>
    public Sidecar ToMasking => maskingSidecar;

    /// <summary>The folder of this run's socket files.</summary>
    public string RunFolder => run.Folder;

    private string Sockets =>
        options.OnlyBacking ? System.Environment.GetEnvironmentVariable(SocketsFolderVariable) ?? DefaultSocketsFolder : run.Sockets;

    /// <summary>Brings everything up and waits until it is ready. Nothing is left running if that fails.</summary>
    /// <param name="options">What to start.</param>
    /// <param name="state">Where its data is.</param>
    /// <param name="say">Told, in lines, what has started and what had to be started again.</param>
    /// <param name="stopping">Ends the start.</param>
    /// <exception cref="BackingException">Something does not start; names it and the remedy.</exception>
    public static async Task<LocalSystem> StartAsync(
        LocalSystemOptions options, State state, Action<string> say, CancellationToken stopping)
    {
        var sidecar = options.OnlyBacking ? null : SidecarProgram.Choose(options.Sidecar);
        state.OpenLogs();
        var packages = await LocalPackages.EnsureAsync(say, stopping);
        var secrets = await Secrets.EnsureAsync(state, stopping);
        var people = await PeopleAccess.EnsureAsync(state, stopping);
        if (sidecar is not null)
            say($"Sidecars: {sidecar.Description}");

        var system = new LocalSystem(options, state, AppHost.RunFolder.Create(state), packages, secrets, people, sidecar, say);
        try
        {
            await (sidecar is null ? system.StartBackingAsync(stopping) : system.StartEverythingAsync(stopping));
            system.watch = system.WatchAsync();
            return system;
        }
        catch
        {
            // Nothing is under way that would have to be finished in order.
            await Task.WhenAll(system.all.Select(program => program.StopAsync()));
            await system.DisposeAsync();
            throw;
        }
    }

    /// <summary>Waits until somebody asks to stop.</summary>
    /// <exception cref="BackingException">A program ended again and again and has been given up.</exception>
    public async Task StayUpAsync(CancellationToken stopping) => await await Task.WhenAny(watch, Task.Delay(Timeout.Infinite, stopping));

    /// <summary>Stops what delivers first and the database last, so that what is under way is finished and acknowledged.</summary>
    public async ValueTask DisposeAsync()
    {
        await watching.CancelAsync();
        await watch.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

        await IngestionSidecar.StopAsync();
        await Task.WhenAll(Component.StopAsync(), Ingestion.StopAsync(), Masking.StopAsync(), MaskingSidecar.StopAsync());
        if (database is not null)
            await database.DisposeAsync();
        queue?.Dispose();
        if (server is not null)
            await server.DisposeAsync();
        if (emulator is not null)
            await emulator.DisposeAsync();

        IDisposable[] rest = [componentPort, ingestionPort, maskingPort, peoplePort, ingestionSidecar, maskingSidecar, readiness, watching];
        foreach (var resource in rest)
            resource.Dispose();
        await run.DisposeAsync();
    }

    private async Task StartBackingAsync(CancellationToken stopping)
    {
        using var start = new JointStart(stopping);
        await start.AllAsync(StartDatabaseAsync(start.Token), StartQueueAsync(start.Token), StartComponentAsync(start.Token));
    }

    private async Task StartEverythingAsync(CancellationToken stopping)
    {
        using var start = new JointStart(stopping);
        var database = StartDatabaseAsync(start.Token);
        var queue = options.HasQueue ? StartQueueAsync(start.Token) : Task.CompletedTask;
        var component = options.HasQueue ? StartComponentAsync(start.Token) : Task.CompletedTask;
        // A sidecar reads the secrets once, and looks for the component's socket once.
        var maskingSidecar = StartSidecarAsync(MaskingSidecar, after: queue, start.Token);
        var ingestionSidecar = StartSidecarAsync(IngestionSidecar, after: Task.WhenAll(queue, component), start.Token);
        var masking = StartMaskingAsync(after: database, readyAfter: maskingSidecar, start.Token);
        var ingestion = StartIngestionAsync(readyAfter: Task.WhenAll(masking, ingestionSidecar), start.Token);
        await start.AllAsync(database, queue, component, maskingSidecar, ingestionSidecar, masking, ingestion);
        await this.ingestionSidecar.WaitForSubscriptionAsync(IngestionSidecar.Process!, "logins", stopping);
        if (options.HasQueue)
            await Queue.WaitUntilThereAsync(stopping);
    }

    private async Task StartDatabaseAsync(CancellationToken stopping)
    {
        await Postgres.StartAsync(stopping);
        database = new Database(server!);
        await database.EnsureAsync(stopping);
        await MigrateAsync(stopping);
        await database.EnsureLoginsAsync(Secrets, stopping);
        Say("PostgreSQL", $"127.0.0.1:{server!.Port}, database {Database.Name}");
    }

    private async Task StartQueueAsync(CancellationToken stopping)
    {
        await Emulator.StartAsync(stopping);
        await Secrets.PointToQueueAsync(QueueEndpoint, stopping);
        queue = new LoginQueue(QueueEndpoint);
        Say("SQS emulator", $"{QueueEndpoint} queue {LoginQueue.Name}");
    }

    private async Task StartComponentAsync(CancellationToken stopping)
    {
        await Component.StartAsync(stopping);
        Say("SqsComponent", Path.Combine(Sockets, "sqs.sock"));
    }

    private async Task StartIngestionAsync(Task readyAfter, CancellationToken stopping)
    {
        await Ingestion.StartAsync(stopping);
        // Before that it would only say that it has to wait.
        await readyAfter;
        await readiness.WaitAsync(Ingestion.Process!, new Uri($"http://127.0.0.1:{ingestionPort}{ReadyProbe}"), stopping);
        Say("IngestionService", $"http://127.0.0.1:{ingestionPort}");
    }

    private async Task StartMaskingAsync(Task after, Task readyAfter, CancellationToken stopping)
    {
        await after;
        await Masking.StartAsync(stopping);
        await readyAfter;
        await readiness.WaitAsync(Masking.Process!, new Uri($"http://127.0.0.1:{maskingPort}{ReadyProbe}"), stopping);
        Say("MaskingService", $"http://127.0.0.1:{maskingPort}, for people http://127.0.0.1:{peoplePort}");
    }

    private static async Task StartSidecarAsync(Supervised sidecar, Task after, CancellationToken stopping)
    {
        await after;
        await sidecar.StartAsync(stopping);
    }

    private async Task<ChildProcess> LaunchPostgresAsync(LocalPackages packages, CancellationToken stopping)
    {
        if (server is not null)
        {
            await server.StartAgainAsync(stopping);
        }
        else
        {
            server = await PostgresServer.StartAsync(packages, new PostgresOptions
            {
                DataFolder = state.Postgres,
                Password = Secrets.SuperuserPassword,
                Port = options.OnlyBacking ? PostgresPortOfRunFile : 0,
                LogFile = Log("postgres"),
            }, stopping);
        }

        run.Caretaker.Watch(server.Process);
        return server.Process;
    }

    private async Task<ChildProcess> LaunchEmulatorAsync(LocalPackages packages, CancellationToken stopping)
    {
        if (emulator is not null)
            await emulator.StartAgainAsync(stopping);
        else
            emulator = await SqsEmulator.StartAsync(packages, Log("sqs"), options.QueueInMemory ? null : state.Queue, stopping);
        run.Caretaker.Watch(emulator.Process);
        return emulator.Process;
    }

    /// <summary>Starts one of our programs and waits until its probe says that it is ready.</summary>
    private async Task<ChildProcess> LaunchAsync(ChildProcessStart start, LoopbackPort port, string probe, CancellationToken stopping)
    {
        var process = ChildProcess.Start(options.Change(start with
        {
            Environment = new Dictionary<string, string?>([.. start.Environment.Where(one => !options.Environment.ContainsKey(one.Key)), .. options.Environment]),
        }));
        run.Caretaker.Watch(process);
        try
        {
            await readiness.WaitAsync(process, new Uri($"http://127.0.0.1:{port}{probe}"), stopping);
            return process;
        }
        catch
        {
            await process.DisposeAsync();
            throw;
        }
    }

    private async Task MigrateAsync(CancellationToken stopping)
    {
        var start = DotnetProgram.Start(
            "MaskingService",
            Log("migrate"),
            new() { ["ConnectionStrings__Owner"] = Database.OwnerConnectionString },
            options.Debug,
            "migrate");
        await using var migrate = ChildProcess.Start(start with { Name = "MaskingService migrate" });
        if (await migrate.Exited.WaitAsync(stopping) is not 0 and var exitCode)
            throw Readiness.Ended(migrate, exitCode);
    }

    private ChildProcessStart ComponentStart()
    {
        var environment = new Dictionary<string, string?>
        {
            [SocketsFolderVariable] = Sockets,
            ["Component__AdminUrl"] = $"http://127.0.0.1:{componentPort}",
        };
        // With the Dapr CLI nobody knows the sidecar's port beforehand, and `dapr run` ends with its sidecar anyway.
        if (!options.OnlyBacking)
        {
            environment["Watchdog__SidecarUrl"] = ingestionSidecar.Address.ToString();
            environment["Watchdog__AppReadyUrl"] = $"http://127.0.0.1:{ingestionPort}/readyz";
            environment["DAPR_API_TOKEN"] = ingestionSidecar.ApiToken;
        }

        return DotnetProgram.Start("SqsComponent", Log("component"), environment, options.Debug);
    }

    private ChildProcessStart IngestionStart() => DotnetProgram.Start(
        "IngestionService",
        Log("ingestion"),
        new(ingestionSidecar.EnvironmentOfApp) { ["Kestrel__Endpoints__App__Url"] = $"http://127.0.0.1:{ingestionPort}" },
        options.Debug);

    private ChildProcessStart MaskingStart() => DotnetProgram.Start(
        "MaskingService",
        Log("masking"),
        new(maskingSidecar.EnvironmentOfApp)
        {
            ["Kestrel__Endpoints__App__Url"] = $"http://127.0.0.1:{maskingPort}",
            ["Kestrel__Endpoints__People__Url"] = $"http://127.0.0.1:{peoplePort}",
            ["ConnectionStrings__Database"] = Database.ServiceConnectionString,
            ["Storage__PasswordSecret"] = Secrets.ServicePasswordName,
            ["ConnectionStrings__People"] = Database.PeopleConnectionString,
            ["People__PasswordSecret"] = Secrets.PeoplePasswordName,
            ["People__SigningKeyFile"] = Path.GetFullPath(People.KeyFile),
            ["People__Audience"] = PeopleAccess.Audience,
        },
        options.Debug);

    private ChildProcessStart IngestionSidecarStart(SidecarProgram program) =>
        ingestionSidecar.Start(program, options, run, run.Sockets, Log("sidecar-ingestion"), appHealthPath: ReadyProbe);

    private ChildProcessStart MaskingSidecarStart(SidecarProgram program) =>
        maskingSidecar.Start(program, options, run, run.NoSockets, Log("sidecar-masking"));

    private async Task WatchAsync()
    {
        var watches = all.Where(program => program.Process is not null).Select(program => program.WatchAsync(watching.Token)).ToArray();
        await await Task.WhenAny(watches);
    }

    private void Say(string name, string where) => say($"{took.Elapsed.TotalSeconds,4:0.0} s  {name}: {where}");

    private string Log(string name) => Path.Combine(state.Logs, $"{name}.log");
}
