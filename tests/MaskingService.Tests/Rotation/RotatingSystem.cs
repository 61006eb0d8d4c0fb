using System.CommandLine;
using System.Text;
using Microsoft.Extensions.Configuration;
using Npgsql;
using PiiMasking.Contracts;
using PiiMasking.MaskingService.Keys;
using PiiMasking.MaskingService.Keys.Commands;
using PiiMasking.MaskingService.Rotation;
using PiiMasking.MaskingService.Tests.People;
using PiiMasking.Testing;
using PiiMasking.Tink;

namespace PiiMasking.MaskingService.Tests.Rotation;

/// <summary>A database with services on it that look often and copy little at a time.</summary>
internal sealed class RotatingSystem : IAsyncDisposable
{
    private readonly List<RunningService> services = [];

    private RotatingSystem(TestDatabase database, FakeSecretStore store) => (Database, Store) = (database, store);

    public TestDatabase Database { get; }

    public FakeSecretStore Store { get; }

    public Truth Truth { get; } = new();

    public RunningService Service => services[0];

    public static async Task<RotatingSystem> StartAsync(MigratedDatabases databases, int replicas = 1)
    {
        var system = new RotatingSystem(await databases.CreateAsync(), await RunningService.StoreWithKeysetsAsync());
        for (var i = 0; i < replicas; i++)
            await system.StartReplicaAsync();
        return system;
    }

    public async Task StartReplicaAsync() => services.Add(await RunningService.StartReadyAsync(Database, Store, new()
    {
        ["Keys:ReloadEvery"] = "00:00:01",
        ["Rotation:CheckEvery"] = "00:00:00.2",
        ["Rotation:ReplicaGoneAfter"] = "00:00:05",
        ["Rotation:WorkerGoneAfter"] = "00:00:03",
        ["Rotation:SwapRetry"] = "00:00:00.2",
        ["Rotation:ChunkRows"] = "200",
        ["Duplicates:RefreshEvery"] = "00:00:00.5",
        ["People:RequestsPerMinute"] = "1000000",
        ["People:TokensPerDay"] = "1000000",
    }));

    /// <summary>The first replica goes, as if it had been killed: it says nothing to anybody.</summary>
    public async Task KillReplicaAsync()
    {
        var rows = await Database.ScalarAsync<string>("SELECT string_agg(format('(%L, %L, %s, %L, %s, %L, NULL, %L)', replica_id, seen_at, "
            + "masking_primary, masking_keys, quarantine_primary, quarantine_keys, integrity_keys), ', ') FROM replicas");
        await services[0].DisposeAsync();
        services.RemoveAt(0);
        await Database.ExecuteAsync($"INSERT INTO replicas VALUES {rows} ON CONFLICT DO NOTHING");
    }

    /// <summary>Stores messages by some replica, again and again until each is stored: a replica that is just being killed asks for that.</summary>
    public async Task StoreAsync(params LoginMessage[] messages)
    {
        while ((await services[^1].StoreAsync(messages)).Contains(LoginOutcome.Retry))
        {
        }

        Truth.AreStored(messages);
    }

    public static uint PrimaryOf(string keyset)
    {
        using var parsed = Keyset.Parse(Encoding.UTF8.GetBytes(keyset));
        return parsed.PrimaryKeyId;
    }

    /// <summary>Gives a keyset in the store a new primary key.</summary>
    public uint Rotate(string secret = "masking-keyset")
    {
        using var before = Keyset.Parse(Encoding.UTF8.GetBytes(Store.Secrets[secret]));
        using var after = before.WithNewKey(makePrimary: true);
        Store.Secrets[secret] = Encoding.UTF8.GetString(after.ToJson());
        return after.PrimaryKeyId;
    }

    /// <summary>Waits until the table is under a key and nothing is left of the one before.</summary>
    public Task DoneAsync(uint keyId, params Task[] meanwhile) => HoldsAsync(
        $"the rotation to key {keyId} is done",
        $"SELECT EXISTS (SELECT FROM rotations WHERE phase = 'done' AND to_key_id = {keyId}) AND EXISTS (SELECT FROM key_generation WHERE key_id = {keyId})",
        meanwhile);

    /// <summary>Waits for a phase of the rotation that is under way.</summary>
    public Task PhaseAsync(string phase) => HoldsAsync(
        $"the rotation is {phase}", $"SELECT EXISTS (SELECT FROM rotations WHERE ended_at IS NULL AND phase = '{phase}')");

    /// <summary>A reader with a snapshot of now, which the swap has to wait for.</summary>
    public async Task<NpgsqlConnection> HoldSnapshotAsync()
    {
        var connection = await Database.OpenAsync();
        await using var begin = new NpgsqlCommand("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1", connection);
        await begin.ExecuteNonQueryAsync();
        return connection;
    }

    /// <summary>Runs a verb of the program, on this database.</summary>
    public async Task<(int ExitCode, string Output, string Notes)> RunAsync(string input, params string[] arguments)
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["ConnectionStrings:People"] = Database.ConnectionStringOf(MigratedDatabases.People, MigratedDatabases.PeoplePassword),
        }).Build();
        using var output = new MemoryStream();
        using var notes = new StringWriter { NewLine = "\n" };
        var terminal = new Terminal(new MemoryStream(Encoding.UTF8.GetBytes(input)), output, notes, false, false);
        var program = new RootCommand
        {
            KeysetCommands.Create(terminal, KeyProofCommands.Create(terminal, configuration)), RotationCommand.Create(terminal, configuration),
        };
        var exitCode = await program.Parse(arguments).InvokeAsync(cancellationToken: TestContext.Current.CancellationToken);
        return (exitCode, Encoding.UTF8.GetString(output.ToArray()), notes.ToString());
    }

    public async Task<string> GetAsync(string path)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(path, UriKind.Relative));
        request.Headers.Authorization = new("Bearer", BearerToken.All);
        using var response = await services[^1].People.SendAsync(request);
        var body = await response.Content.ReadAsStringAsync();
        return response.IsSuccessStatusCode ? body : $"{(int)response.StatusCode} {body}";
    }

    public async Task<string> PostAsync(string path, string body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(path, UriKind.Relative));
        request.Headers.Authorization = new("Bearer", BearerToken.All);
        request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        using var response = await services[^1].People.SendAsync(request);
        return await response.Content.ReadAsStringAsync();
    }

    /// <summary>Does something over and over.</summary>
    public static async Task RepeatAsync(Func<Task> act, CancellationToken stop)
    {
        await Task.Yield();
        while (!stop.IsCancellationRequested)
            await act();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var service in services)
            await service.DisposeAsync();
        await Store.DisposeAsync();
        await Database.DisposeAsync();
    }

    /// <summary>Waits until a query yields true; what the services said of the rotation is in the error if it does not.</summary>
    public Task HoldsAsync(string what, string sql, params Task[] meanwhile) => HoldsAsync(
        what,
        async () =>
        {
            foreach (var task in meanwhile.Where(task => task.IsFaulted))
                await task;
            return await Database.ScalarAsync<bool>(sql);
        });

    /// <inheritdoc cref="HoldsAsync(string, string, Task[])" />
    public async Task HoldsAsync(string what, Func<Task<bool>> holds)
    {
        try
        {
            await Eventually.HoldsAsync(what, holds, TimeSpan.FromMinutes(1));
        }
        catch (TimeoutException e)
        {
            var said = services.SelectMany(service => service.Logs.Lines)
                .Where(line => line.Category.Contains("Rotation", StringComparison.Ordinal)).Select(line => line.Message);
            throw new TimeoutException($"{e.Message}\n{string.Join('\n', said)}", e);
        }
    }
}
