using System.Collections.Concurrent;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using PiiMasking.AppHost;
using PiiMasking.Backing;
using PiiMasking.Testing;
using PiiMasking.Tink;

namespace PiiMasking.Benchmarks;

/// <summary>What is different about a system that is measured.</summary>
internal sealed record SystemSetup
{
    /// <summary>The stand-in for daprd handles as many messages of a stream as the component hands over, not one after the other.</summary>
    public bool IsConcurrent { get; init; }

    /// <summary>Most messages in a batch of the component; its default if null.</summary>
    public int? BatchSize { get; init; }

    /// <summary>pubsub.in-memory in place of SQS.</summary>
    public bool IsInMemory { get; init; }

    /// <summary>Variables for every program.</summary>
    public Dictionary<string, string?> Environment { get; init; } = [];

    /// <summary>Nothing is different but perhaps the dispatch.</summary>
    public bool IsUsual => BatchSize is null && !IsInMemory && Environment.Count == 0;
}

/// <summary>
/// The whole system as AppHost brings it up, each program a process of its own, in folders of its own. The queue is kept in memory: what is
/// measured is this product, not the emulator's disk. The database is as durable as it is by default.
/// </summary>
internal sealed class BenchmarkSystem : IAsyncDisposable
{
    // Of a smoke run, by whether the dispatch is concurrent: most of its time would be spent on starting systems.
    private static readonly Dictionary<bool, BenchmarkSystem> Shared = [];

    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(10);

    private const int PollsUntilTheQueueIsAsked = 200;

    private readonly HttpClient http = new(new SocketsHttpHandler { UseProxy = false });
    private readonly ScratchFolder scratch;
    private readonly State state;
    private long sent;

    private BenchmarkSystem(ScratchFolder scratch, State state, LocalSystem system)
    {
        this.scratch = scratch;
        this.state = state;
        System = system;
    }

    /// <summary>What its programs are called here.</summary>
    public static IReadOnlyList<string> ProgramNames { get; } =
        ["SqsComponent", "ingestion sidecar", "IngestionService", "masking sidecar", "MaskingService", "PostgreSQL", "SQS emulator"];

    public LocalSystem System { get; }

    /// <summary>All programs by name, for what is measured of each process. Without a queue there are neither component nor emulator.</summary>
    public IEnumerable<(string Name, ChildProcess Process)> Programs => ProgramNames.Zip(new[]
    {
        System.Component, System.IngestionSidecar, System.Ingestion, System.MaskingSidecar, System.Masking, System.Postgres, System.Emulator,
    }.Select(program => program.Process!)).Where(program => program.Second is not null);

    /// <summary>CPU time of each program so far.</summary>
    public Dictionary<string, TimeSpan> CpuTimes() => Programs.ToDictionary(program => program.Name, program => CpuTime.Of(program.Process.Id));

    /// <summary>Brings it up and waits until it is ready. In a smoke run all who want a usual one get the same.</summary>
    public static async Task<BenchmarkSystem> StartAsync(BenchmarkRun run, SystemSetup? setup = null)
    {
        setup ??= new SystemSetup();
        if (!run.IsSmoke || !setup.IsUsual)
            return await StartNewAsync(run, setup);
        if (!Shared.TryGetValue(setup.IsConcurrent, out var system))
            Shared[setup.IsConcurrent] = system = await StartNewAsync(run, setup);
        // What the benchmark before has left behind would be counted as this one's.
        await system.WaitUntilDeletedAsync(run.Stopping);
        return system;
    }

    /// <summary>Stops the systems that the benchmarks of a smoke run had together.</summary>
    public static async Task StopSharedAsync()
    {
        foreach (var (isConcurrent, system) in Shared.ToArray())
        {
            Shared.Remove(isConcurrent);
            await system.DisposeAsync();
        }
    }

    private static async Task<BenchmarkSystem> StartNewAsync(BenchmarkRun run, SystemSetup setup)
    {
        var scratch = new ScratchFolder();
        State? state = null;
        try
        {
            state = State.TakeFirst(scratch["state"]);
            var options = new LocalSystemOptions
            {
                Sidecar = SidecarChoice.Local,
                QueueInMemory = true,
                HasQueue = !setup.IsInMemory,
                Components = CopyComponents(setup, scratch["components"]),
                Environment = Variables(setup),
            };
            return new BenchmarkSystem(scratch, state, await LocalSystem.StartAsync(options, state, _ => { }, run.Stopping));
        }
        catch
        {
            state?.Dispose();
            scratch.Dispose();
            throw;
        }
    }

    /// <summary>The masking keyset as it is in the secret store; the caller disposes it.</summary>
    public Keyset MaskingKeyset() =>
        Keyset.Parse(Encoding.UTF8.GetBytes((string)JsonNode.Parse(File.ReadAllText(state.Secrets))![Secrets.MaskingKeyset]!));

    /// <summary>Puts another masking keyset into the file of the secret store.</summary>
    public void Replace(Keyset keyset)
    {
        var secrets = JsonNode.Parse(File.ReadAllText(state.Secrets))!;
        secrets[Secrets.MaskingKeyset] = Encoding.UTF8.GetString(keyset.ToJson());
        File.WriteAllText(state.Secrets + ".new", secrets.ToJsonString());
        File.Move(state.Secrets + ".new", state.Secrets, overwrite: true);
    }

    /// <summary>Gives the masking keyset a new primary key, as an operator does it.</summary>
    /// <returns>The key's id.</returns>
    public async Task<uint> RotateMaskingKeyAsync(CancellationToken stopping)
    {
        using var before = MaskingKeyset();
        using var after = before.WithNewKey(makePrimary: true);
        Replace(after);
        // The local file store reads its file once.
        var sidecar = System.MaskingSidecar.Process!;
        sidecar.Send(Signal.Kill);
        await sidecar.Exited.WaitAsync(stopping);
        return after.PrimaryKeyId;
    }

    /// <summary>The component stands still until <see cref="Resume"/>: the queue can be filled meanwhile.</summary>
    public void Hold() => System.Component.Process!.Send(Signal.Stop);

    public void Resume() => System.Component.Process!.Send(Signal.Continue);

    /// <summary>Puts logins on the queue.</summary>
    public Task FillAsync(int count, CancellationToken stopping) => SendAsync(count, stopping);

    /// <summary>Puts logins on the queue.</summary>
    /// <returns>Their message ids.</returns>
    public Task<IReadOnlyCollection<Guid>> SendAsync(int count, CancellationToken stopping) => SendAsync(SomeLogins.BodiesAsync(count), stopping);

    /// <summary>Puts messages on the queue.</summary>
    /// <returns>Their message ids.</returns>
    public async Task<IReadOnlyCollection<Guid>> SendAsync(IAsyncEnumerable<string> bodies, CancellationToken stopping)
    {
        var ids = new ConcurrentBag<Guid>();
        await System.Queue.SendAsync(
            bodies,
            batch =>
            {
                foreach (var id in batch)
                    ids.Add(id);
            },
            stopping);
        Interlocked.Add(ref sent, ids.Count);
        return ids;
    }

    /// <summary>Waits until the component has deleted everything that was put on the queue by this.</summary>
    public async Task WaitUntilDeletedAsync(CancellationToken stopping)
    {
        for (var polls = 1; await DeletedAsync(stopping) < Interlocked.Read(ref sent); polls++)
        {
            // A message that was deleted by a receipt handle that had expired is not counted; on a starved machine that happens.
            if (polls % PollsUntilTheQueueIsAsked == 0 && (await System.Queue.DepthAsync(stopping)).IsEmpty)
            {
                sent = await DeletedAsync(stopping);
                return;
            }

            await Task.Delay(PollInterval, stopping);
        }
    }

    /// <summary>Distinct messages that the component has deleted since it was started.</summary>
    public async Task<long> DeletedAsync(CancellationToken stopping)
    {
        using var counters = JsonDocument.Parse(await http.GetStringAsync(new Uri(System.ComponentAddress, "/counters"), stopping));
        return counters.RootElement.GetProperty("deleted").GetInt64();
    }

    /// <summary>Requests that the emulator has had, by SQS's names of them.</summary>
    public async Task<Dictionary<string, long>> RequestsAsync(CancellationToken stopping) =>
        await http.GetFromJsonAsync<Dictionary<string, long>>(new Uri(System.QueueEndpoint, "/_requests"), stopping) ?? [];

    public async ValueTask DisposeAsync()
    {
        if (Shared.ContainsValue(this))
            return;
        await System.DisposeAsync();
        http.Dispose();
        state.Dispose();
        scratch.Dispose();
    }

    private static Dictionary<string, string?> Variables(SystemSetup setup)
    {
        var variables = new Dictionary<string, string?>(setup.Environment) { ["SIDECAR_CONCURRENT_DISPATCH"] = setup.IsConcurrent ? "true" : "false" };
        // The component would have the sidecar restarted, which has no use for it here.
        if (setup.IsInMemory)
            variables["Watchdog__SidecarUrl"] = null;
        return variables;
    }

    private static string CopyComponents(SystemSetup setup, string folder)
    {
        foreach (var file in new[] { "common", "local" }.SelectMany(set => Directory.GetFiles(Path.Combine(Repository.Root, "components", set))))
        {
            var set = Directory.CreateDirectory(Path.Combine(folder, Path.GetFileName(Path.GetDirectoryName(file)!)));
            File.Copy(file, Path.Combine(set.FullName, Path.GetFileName(file)));
        }

        var broker = Path.Combine(folder, "local", "logins.yaml");
        if (setup.IsInMemory)
        {
            File.WriteAllText(broker, """
                apiVersion: dapr.io/v1alpha1
                kind: Component
                metadata:
                  name: logins
                spec:
                  type: pubsub.in-memory
                  version: v1
                  metadata: []
                """);
        }
        else if (setup.BatchSize is { } size)
        {
            var text = File.ReadAllText(broker);
            var changed = Regex.Replace(text, "(?m)^  metadata:$", $"  metadata:\n    - name: batchSize\n      value: \"{size}\"");
            File.WriteAllText(broker, changed != text ? changed : throw new InvalidOperationException($"{broker} has no metadata."));
        }

        return folder;
    }
}
