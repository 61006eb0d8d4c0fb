using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Npgsql;
using PiiMasking.AppHost;
using PiiMasking.Backing;
using PiiMasking.Testing;

[assembly: AssemblyFixture(typeof(PiiMasking.EndToEnd.Tests.Storm.StormSystem))]

namespace PiiMasking.EndToEnd.Tests.Storm;

/// <summary>
/// A whole system with a bad network between its parts and a supervisor that never gives up, in which time is six times as short as by
/// default: visibility timeout 5 s, back-off 0.2 s to 10 s, watchdog 5 s. Started when the first test asks for it.
/// </summary>
public sealed partial class StormSystem : IAsyncLifetime
{
    /// <summary>Of the queue, in this system.</summary>
    internal static readonly TimeSpan VisibilityTimeout = TimeSpan.FromSeconds(5);

    /// <summary>A message that was received more often goes to the dead-letter queue.</summary>
    internal const int MaxReceiveCount = 3;

    private const string DeadLetters = LoginQueue.Name + "-dlq";

    private readonly ScratchFolder scratch = new();
    private readonly SemaphoreSlim starting = new(1);
    private readonly ConcurrentQueue<string> said = new();
    private readonly ConcurrentDictionary<string, IReadOnlyDictionary<string, string?>> environments = [];
    private readonly HttpClient http = new(new SocketsHttpHandler { UseProxy = false }) { Timeout = TimeSpan.FromSeconds(40) };
    private State? state;
    private LocalSystem? system;
    private Task broken = Task.CompletedTask;
    private bool drainsDeadLetters;
    private FaultyApp? app;
    private BadNetwork? componentNetwork;

    internal LocalSystem System => system ?? throw new InvalidOperationException("The system has not been started.");

    /// <summary>Between the component and the queue.</summary>
    internal BadNetwork QueueNetwork { get; } = new();

    /// <summary>Between the masking service and the database.</summary>
    internal BadNetwork DatabaseNetwork { get; } = new();

    /// <summary>Between the masking service's sidecar and the masking service.</summary>
    internal BadNetwork MaskingNetwork { get; } = new();

    /// <summary>Between the ingestion service's sidecar and the component.</summary>
    internal BadNetwork ComponentNetwork => componentNetwork ?? throw new InvalidOperationException("The system has not been started.");

    /// <summary>Between the ingestion service's sidecar and the ingestion service.</summary>
    internal FaultyApp App => app ?? throw new InvalidOperationException("The system has not been started.");

    /// <summary>What the supervisor said.</summary>
    internal IReadOnlyCollection<string> Said => said;

    /// <summary>Where the secret store looks.</summary>
    internal string SecretsFile => state!.Secrets;

    /// <summary>The owner's, straight to the database.</summary>
    internal string OwnerConnectionString => System.Database.OwnerConnectionString;

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        if (system is not null)
            await system.DisposeAsync();
        if (app is not null)
            await app.DisposeAsync();
        foreach (var network in new[] { QueueNetwork, DatabaseNetwork, MaskingNetwork, componentNetwork })
        {
            if (network is not null)
                await network.DisposeAsync();
        }

        state?.Dispose();
        http.Dispose();
        starting.Dispose();
        scratch.Dispose();
    }

    /// <summary>Starts it, if it has not been started.</summary>
    internal async Task EnsureAsync()
    {
        await starting.WaitAsync();
        try
        {
            if (system is not null)
                return;
            app ??= await FaultyApp.StartAsync();
            Directory.CreateDirectory(scratch["sockets"]);
            componentNetwork ??= new BadNetwork(new UnixDomainSocketEndPoint(scratch["sockets/sqs.sock"]));
            state ??= State.TakeFirst(scratch["state"]);
            CopyComponents();
            var how = new LocalSystemOptions { Components = scratch["components"], Change = Change, GivesUp = false };
            system = await LocalSystem.StartAsync(how, state, Say, default);
            broken = system.StayUpAsync(CancellationToken.None);
        }
        finally
        {
            starting.Release();
        }
    }

    /// <summary>Has the ingestion service subscribe to the dead-letter queue too, or leave it alone.</summary>
    internal async Task DrainDeadLettersAsync(bool drain, CancellationToken stopping)
    {
        if (drainsDeadLetters == drain)
            return;
        drainsDeadLetters = drain;
        try
        {
            // A sidecar asks its app once what it subscribes to.
            foreach (var program in new[] { System.Ingestion, System.IngestionSidecar })
                await RestartAsync(program, Signal.Terminate, stopping);
        }
        catch
        {
            drainsDeadLetters = !drain;
            throw;
        }
    }

    /// <summary>From now on a program that is started waits until it may.</summary>
    internal void HoldBack(string program) => File.WriteAllText(GateOf(program), "");

    internal void LetGo(string program) => File.Delete(GateOf(program));

    /// <summary>Fails if the supervisor itself has failed.</summary>
    internal Task ThrowIfBrokenAsync() => broken.IsFaulted ? broken : Task.CompletedTask;

    /// <summary>Ends a program and waits until its supervisor has it running again.</summary>
    internal static async Task RestartAsync(Supervised program, Signal signal, CancellationToken stopping)
    {
        var old = program.Process!;
        old.Send(signal);
        await Eventually.HoldsAsync($"{old.Name} runs again", () => program.Process != old, TimeSpan.FromMinutes(1), stopping);
        // Asked to stop, it stops by itself: what was in work has come to its end.
        if (signal == Signal.Terminate)
            Assert.Equal(0, await old.Exited);
    }

    /// <summary>Keeps all logs for whoever looks into a failure.</summary>
    /// <returns>The folder, below artifacts.</returns>
    internal string KeepLogs()
    {
        var folder = Directory.CreateDirectory(Path.Combine(Repository.Root, "artifacts", "storm", Path.GetFileName(state!.Logs))).FullName;
        foreach (var log in Directory.EnumerateFiles(state.Logs))
            File.Copy(log, Path.Combine(folder, Path.GetFileName(log)), overwrite: true);
        File.WriteAllLines(Path.Combine(folder, "supervisor.log"), said);
        return folder;
    }

    /// <returns>The last lines of each program in the eight seconds before a moment and the two after it, in order.</returns>
    internal IEnumerable<string> LogsAround(DateTimeOffset moment)
    {
        const int linesOfEach = 12;
        var (from, to) = (moment.AddSeconds(-8).TimeOfDay, moment.AddSeconds(2).TimeOfDay);
        var logs = Directory.EnumerateFiles(state!.Logs).Select(log => (Name: Path.GetFileNameWithoutExtension(log), Lines: File.ReadLines(log)));
        return logs.Append((Name: "supervisor", Lines: said))
            .SelectMany(log => log.Lines
                .Select(line => (At: TimeOfDay().Match(line), Text: $"{log.Name}: {line}"))
                .Where(line => line.At.Success)
                .Select(line => (At: TimeSpan.Parse(line.At.Value, CultureInfo.InvariantCulture), line.Text))
                .Where(line => line.At >= from && line.At <= to)
                .TakeLast(linesOfEach))
            .OrderBy(line => line.At)
            .Select(line => line.Text)
            .Prepend($"Done again at {moment:HH:mm:ss.fff}:");
    }

    [GeneratedRegex(@"\d\d:\d\d:\d\d\.\d{3}")]
    private static partial Regex TimeOfDay();

    /// <returns>What a program prints in its log file.</returns>
    internal static string LogOf(Supervised program)
    {
        using var file = new FileStream(program.Process!.LogFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(file);
        return reader.ReadToEnd();
    }

    /// <returns>How many messages the queue holds, whoever has received them.</returns>
    internal async Task<int> CountAsync(bool deadLetters, CancellationToken stopping)
    {
        using var queues = JsonDocument.Parse(await http.GetByteArrayAsync(new Uri(System.QueueEndpoint, "/_fauxqs/queues"), stopping));
        // Not there yet, while the component makes it.
        var counted = queues.RootElement.EnumerateArray()
            .Where(queue => queue.GetProperty("name").GetString() == (deadLetters ? DeadLetters : LoginQueue.Name));
        string[] counts = ["approximateMessageCount", "approximateInflightCount", "approximateDelayedCount"];
        return counted.Sum(queue => counts.Sum(count => queue.GetProperty(count).GetInt32()));
    }

    /// <returns>What the queue itself knows of its messages, without receiving any. It says everything of each: not to be asked often.</returns>
    internal async Task<QueueInside> InsideAsync(bool deadLetters, CancellationToken stopping)
    {
        var address = new Uri(System.QueueEndpoint, $"/_fauxqs/queues/{(deadLetters ? DeadLetters : LoginQueue.Name)}");
        using var inside = JsonDocument.Parse(await http.GetByteArrayAsync(address, stopping));
        var messages = inside.RootElement.GetProperty("messages");
        var ready = messages.GetProperty("ready").EnumerateArray().Concat(messages.GetProperty("delayed").EnumerateArray());
        var inFlight = messages.GetProperty("inflight").EnumerateArray().Select(entry => entry.GetProperty("message")).ToList();
        var all = ready.Concat(inFlight).ToList();
        return new QueueInside(
            all.Count, inFlight.Count, all.Select(message => message.GetProperty("approximateReceiveCount").GetInt32()).DefaultIfEmpty().Max());
    }

    /// <returns>The component's own count of distinct messages that it deleted; null while it does not answer.</returns>
    internal async Task<long?> DeletedAsync(CancellationToken stopping)
    {
        try
        {
            var address = new Uri(environments["SqsComponent"]["Component__AdminUrl"]! + "/counters");
            var counters = await http.GetFromJsonAsync<JsonObject>(address, stopping);
            return (long)counters!["deleted"]!;
        }
        catch (Exception away) when (away is HttpRequestException or IOException)
        {
            return null;
        }
    }

    /// <summary>
    /// Delivers the latest messages to the ingestion service as a second replica's sidecar would: each four times in a bulk, and the bulk
    /// twice at once.
    /// </summary>
    internal async Task DeliverOnceMoreAsync(SentList sent, int messages, CancellationToken stopping)
    {
        var batch = sent.Latest(messages).Select(message => new
        {
            specversion = "1.0",
            id = message.Id,
            source = $"sqs:{LoginQueue.Name}",
            type = "aws.sqs.message",
            time = message.SentAt,
            datacontenttype = "application/octet-stream",
            data_base64 = global::System.Text.Encoding.UTF8.GetBytes(sent.Body(message.Number)),
        }).ToArray();
        var payload = JsonSerializer.SerializeToUtf8Bytes(batch.Concat(batch));
        var bulk = new
        {
            id = Guid.NewGuid(),
            type = "com.dapr.event.sent.bulk",
            topic = LoginQueue.Name,
            pubsubname = "logins",
            entries = new[] { "a", "b" }.Select(id => new { entryId = id, @event = payload, contentType = "application/cloudevents-batch+json" }),
        };
        await Task.WhenAll(Enumerable.Range(0, 2).Select(async _ =>
        {
            try
            {
                var environment = environments["IngestionService"];
                var address = new Uri(environment["Kestrel__Endpoints__App__Url"]! + "/logins");
                using var request = new HttpRequestMessage(HttpMethod.Post, address) { Content = JsonContent.Create(bulk) };
                request.Headers.Add("dapr-api-token", environment["APP_API_TOKEN"]);
                using var answer = await http.SendAsync(request, stopping);
            }
            catch (Exception away) when (away is HttpRequestException or IOException)
            {
                // A delivery that fails is one that did not happen: the queue has the message still.
            }
        }));
    }

    /// <summary>Notes when something happened, in the supervisor's log.</summary>
    internal void Say(string line) => said.Enqueue($"{TimeProvider.System.GetUtcNow():HH:mm:ss.fff} {line}");

    /// <summary>The programs talk to each other through the bad network, and wait a sixth of the time.</summary>
    private ChildProcessStart Change(ChildProcessStart start)
    {
        var environment = new Dictionary<string, string?>(start.Environment);
        var arguments = start.Arguments.ToList();
        switch (start.Name)
        {
            case "SqsComponent":
                environment["Watchdog__Patience"] = "00:00:05";
                ComponentNetwork.Target = new UnixDomainSocketEndPoint(Path.Combine(environment["DAPR_COMPONENTS_SOCKETS_FOLDER"]!, "sqs.sock"));
                break;
            case "IngestionService":
                environment["Intake__MaskingTimeout"] = "00:00:05";
                environment["Intake__Topics__1"] = drainsDeadLetters ? DeadLetters : null;
                app!.Target = new Uri(environment["Kestrel__Endpoints__App__Url"]!).Port;
                break;
            case "MaskingService":
                environment["Storage__CommandTimeout"] = "00:00:03";
                environment["ConnectionStrings__Database"] = Through(DatabaseNetwork, environment["ConnectionStrings__Database"]!);
                environment["ConnectionStrings__People"] = Through(DatabaseNetwork, environment["ConnectionStrings__People"]!);
                MaskingNetwork.Target = Loopback(new Uri(environment["Kestrel__Endpoints__App__Url"]!).Port);
                break;
            case "ingestion sidecar":
                environment["DAPR_COMPONENTS_SOCKETS_FOLDER"] = scratch["sockets"];
                QueueNetwork.Target ??= Loopback(new Uri((string)JsonNode.Parse(File.ReadAllBytes(SecretsFile))!["sqs-endpoint"]!).Port);
                SetAppPort(app!.Port);
                break;
            case "masking sidecar":
                SetAppPort(MaskingNetwork.Port);
                break;
        }

        environments[start.Name] = environment;
        // Its death signal is set after the wrapper: while it waits here it would outlive this process, but for the caretaker.
        string[] gate = ["/bin/sh", "-c", "while [ -e \"$0\" ]; do sleep 0.05; done; exec \"$@\"", GateOf(start.Name)];
        return start with { Environment = environment, Arguments = arguments, Wrapper = gate };

        void SetAppPort(int port) => arguments[arguments.IndexOf("--app-port") + 1] = $"{port}";
    }

    private static IPEndPoint Loopback(int port) => new(IPAddress.Loopback, port);

    private static string Through(BadNetwork network, string connectionString)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString);
        network.Target ??= Loopback(settings.Port);
        settings.Port = network.Port;
        // A connection that is silent is given up as quickly as everything else here.
        settings.Timeout = 3;
        return settings.ConnectionString;
    }

    private string GateOf(string program) => scratch[$"{program}.gate"];

    private void CopyComponents()
    {
        foreach (var set in new[] { "common", "local" })
        {
            Directory.CreateDirectory(Path.Combine(scratch["components"], set));
            foreach (var path in Directory.EnumerateFiles(Path.Combine(Repository.Root, "components", set)))
                File.Copy(path, Path.Combine(scratch["components"], set, Path.GetFileName(path)), overwrite: true);
        }

        var logins = Path.Combine(scratch["components"], "local", "logins.yaml");
        var text = File.ReadAllText(logins);
        text = Replace(
            text,
            "name: endpoint\n      secretKeyRef:\n        name: sqs-endpoint\n        key: sqs-endpoint",
            $"name: endpoint\n      value: http://127.0.0.1:{QueueNetwork.Port}");
        text = Replace(
            text,
            "name: maxReceiveCount\n      value: \"5\"",
            $"""
            name: maxReceiveCount
                  value: "{MaxReceiveCount}"
                - name: visibilityTimeout
                  value: {VisibilityTimeout.TotalSeconds}s
                - name: retryBackoffMin
                  value: 200ms
                - name: retryBackoffMax
                  value: 10s
            """);
        File.WriteAllText(logins, text);
    }

    private static string Replace(string text, string old, string replacement)
    {
        Assert.Contains(old, text, StringComparison.Ordinal);
        return text.Replace(old, replacement, StringComparison.Ordinal);
    }
}

/// <summary>A queue, seen from inside.</summary>
/// <param name="Messages">All that it holds.</param>
/// <param name="InFlight">Of these, received and not yet visible again.</param>
/// <param name="MostReceived">The highest receive count among them.</param>
internal sealed record QueueInside(int Messages, int InFlight, int MostReceived);
