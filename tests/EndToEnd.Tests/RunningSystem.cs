using System.Collections.Concurrent;
using Npgsql;
using PiiMasking.AppHost;
using PiiMasking.Backing;
using PiiMasking.Testing;

[assembly: AssemblyFixture(typeof(PiiMasking.EndToEnd.Tests.RunningSystem))]

// One system, one queue, one test after the other: a test that kills a service must not do it to another test's messages.
[assembly: CollectionBehavior(CollectionBehavior.CollectionPerAssembly)]

namespace PiiMasking.EndToEnd.Tests;

/// <summary>The whole system, as AppHost brings it up, in folders of its own, logging at debug level.</summary>
public sealed class RunningSystem : IAsyncLifetime
{
    private readonly ScratchFolder scratch = new();
    private readonly ConcurrentQueue<string> said = new();
    private State? state;
    private SpanCollector? spans;
    private LocalSystem? system;

    internal LocalSystem System => system ?? throw new InvalidOperationException("The system has not been started.");

    internal State State => state ?? throw new InvalidOperationException("The system has not been started.");

    /// <summary>Where the programs export the spans of those traces that a producer has begun.</summary>
    internal SpanCollector Spans => spans ?? throw new InvalidOperationException("The system has not been started.");

    /// <summary>What AppHost told its user.</summary>
    public IReadOnlyCollection<string> Said => said;

    public async ValueTask InitializeAsync()
    {
        state = State.TakeFirst(scratch["state"]);
        spans = new SpanCollector();
        var options = new LocalSystemOptions { Debug = true, Environment = spans.Environment };
        system = await LocalSystem.StartAsync(options, state, said.Enqueue, default);
    }

    public async ValueTask DisposeAsync()
    {
        if (system is not null)
            await system.DisposeAsync();
        if (spans is not null)
            await spans.DisposeAsync();
        state?.Dispose();
        scratch.Dispose();
    }

    /// <summary>Sends messages and waits until each is stored or in quarantine.</summary>
    internal async Task<DeliveryResult> DeliverAsync(IEnumerable<Sample> samples, Action<Progress>? watch = null)
    {
        var delivery = new Delivery(System.Queue, System.Database, TimeProvider.System);
        return await delivery.RunAsync(samples.ToAsyncEnumerable(), watch ?? (_ => { }), TestContext.Current.CancellationToken);
    }

    /// <returns>The first column of the first row, as the owner sees it.</returns>
    internal async Task<T> ScalarAsync<T>(string sql)
    {
        // A connection of its own: others are killed with the server.
        var settings = new NpgsqlConnectionStringBuilder(System.Database.OwnerConnectionString) { Pooling = false };
        await using var connection = new NpgsqlConnection(settings.ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return (T)(await command.ExecuteScalarAsync())!;
    }

    /// <returns>All log files of the run, and what AppHost said.</returns>
    public string AllOutput() =>
        string.Join('\n', Directory.EnumerateFiles(State.Logs).Select(ReadShared).Append(string.Join('\n', said)));

    private static string ReadShared(string file)
    {
        using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
