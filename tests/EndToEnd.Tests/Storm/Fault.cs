using Npgsql;
using PiiMasking.AppHost;
using PiiMasking.Backing;

namespace PiiMasking.EndToEnd.Tests.Storm;

/// <summary>One way to hurt the system. Ends when the cause is over; what it takes to recover comes after that.</summary>
/// <param name="Name">What the summary calls it.</param>
/// <param name="Do">Does it; given a duration of a few seconds for what has one.</param>
internal sealed record Fault(string Name, Func<StormRun, TimeSpan, Task> Do)
{
    private const string Logins = Database.Name;

    private static readonly TimeSpan RetryPause = TimeSpan.FromMilliseconds(100);

    /// <summary>All there are, of each kind one.</summary>
    public static IReadOnlyList<Fault> All { get; } =
    [
        Signalled("kill masking", system => system.Masking, Signal.Kill),
        Signalled("kill ingestion", system => system.Ingestion, Signal.Kill),
        Signalled("kill masking sidecar", system => system.MaskingSidecar, Signal.Kill),
        Signalled("kill ingestion sidecar", system => system.IngestionSidecar, Signal.Kill),
        Signalled("kill component", system => system.Component, Signal.Kill),
        Signalled("kill queue", system => system.Emulator, Signal.Kill),
        Signalled("quit database", system => system.Postgres, Signal.Quit),
        Stopped("stop masking", system => system.Masking),
        Stopped("stop ingestion", system => system.Ingestion),
        Stopped("stop masking sidecar", system => system.MaskingSidecar),
        Stopped("stop ingestion sidecar", system => system.IngestionSidecar),
        Stopped("stop component", system => system.Component),
        // Every message that it holds shows again.
        new("stop component past visibility", (run, duration) =>
            StopAsync(run, run.Storm.System.Component, StormSystem.VisibilityTimeout + (duration / 2))),
        new("refuse database connections", RefuseConnectionsAsync),
        new("lock table", LockTableAsync),
        new("secrets away at start", (run, duration) => WithoutSecretsAsync(run, duration, system => [system.MaskingSidecar, system.Masking])),
        new("secrets away while running", (run, duration) => WithoutSecretsAsync(run, duration, system => [system.MaskingSidecar])),
        new("deliver twice", (run, _) => run.Storm.DeliverOnceMoreAsync(run.Sent, 100, run.Stopping)),
        OnNetwork("cut queue", storm => storm.QueueNetwork, (network, _) => network.Cut()),
        OnNetwork("refuse queue", storm => storm.QueueNetwork, (network, _) => { network.Condition = Condition.Refusing; network.Cut(); }),
        OnNetwork("delay queue", storm => storm.QueueNetwork, (network, duration) => network.Delay = duration / 10),
        OnNetwork("silence queue", storm => storm.QueueNetwork, (network, _) => network.Condition = Condition.Silent),
        OnNetwork("double queue", storm => storm.QueueNetwork, (network, _) => { network.Condition = Condition.Doubling; network.Cut(); }),
        OnNetwork("cut database", storm => storm.DatabaseNetwork, (network, _) => network.Cut()),
        OnNetwork("delay database", storm => storm.DatabaseNetwork, (network, duration) => network.Delay = duration / 10),
        OnNetwork("silence database", storm => storm.DatabaseNetwork, (network, _) => network.Condition = Condition.Silent),
        OnNetwork("double database", storm => storm.DatabaseNetwork, (network, _) => { network.Condition = Condition.Doubling; network.Cut(); }),
        OnNetwork("cut stream", storm => storm.ComponentNetwork, (network, _) => network.Cut()),
        OnNetwork("cut masking", storm => storm.MaskingNetwork, (network, _) => network.Cut()),
        OnNetwork("slow masking", storm => storm.MaskingNetwork, (network, duration) => network.Delay = duration / 2),
    ];

    /// <summary>It ends the component, which then cannot say what it has deleted.</summary>
    public bool EndsComponent => Name == "kill component";

    private static Fault Signalled(string name, Func<LocalSystem, Supervised> program, Signal signal) => new(name, (run, _) =>
    {
        program(run.Storm.System).Process!.Send(signal);
        return Task.CompletedTask;
    });

    private static Fault Stopped(string name, Func<LocalSystem, Supervised> program) =>
        new(name, (run, duration) => StopAsync(run, program(run.Storm.System), duration));

    private static Fault OnNetwork(string name, Func<StormSystem, BadNetwork> which, Action<BadNetwork, TimeSpan> harm) => new(name, async (run, duration) =>
    {
        var network = which(run.Storm);
        harm(network, duration);
        try
        {
            await Task.Delay(duration, run.Stopping);
        }
        finally
        {
            (network.Condition, network.Delay) = (Condition.Well, TimeSpan.Zero);
            // What the bad time has opened goes with it.
            network.Cut();
        }
    });

    private static async Task StopAsync(StormRun run, Supervised program, TimeSpan duration)
    {
        var process = program.Process!;
        process.Send(Signal.Stop);
        try
        {
            await Task.Delay(duration, run.Stopping);
        }
        finally
        {
            process.Send(Signal.Continue);
        }
    }

    private static async Task RefuseConnectionsAsync(StormRun run, TimeSpan duration)
    {
        await TryOnServerAsync(
            run, $"ALTER DATABASE {Logins} ALLOW_CONNECTIONS false; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{Logins}'");
        await Task.Delay(duration, run.Stopping);
        while (!await TryOnServerAsync(run, $"ALTER DATABASE {Logins} ALLOW_CONNECTIONS true"))
            await Task.Delay(RetryPause, run.Stopping);
    }

    private static Task<bool> LockTableAsync(StormRun run, TimeSpan duration) => TryAsync(
        run, run.Storm.OwnerConnectionString, $"BEGIN; LOCK TABLE user_logins IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep({duration.TotalSeconds:0.0}); COMMIT");

    private static async Task WithoutSecretsAsync(StormRun run, TimeSpan duration, Func<LocalSystem, Supervised[]> victims)
    {
        var (file, away) = (run.Storm.SecretsFile, run.Storm.SecretsFile + ".away");
        // Another fault may have taken it already.
        try
        {
            File.Move(file, away);
        }
        catch (FileNotFoundException)
        {
            return;
        }

        try
        {
            foreach (var program in victims(run.Storm.System))
                program.Process!.Send(Signal.Kill);
            await Task.Delay(duration, run.Stopping);
        }
        finally
        {
            File.Move(away, file);
        }
    }

    private static Task<bool> TryOnServerAsync(StormRun run, string sql) =>
        TryAsync(run, new NpgsqlConnectionStringBuilder(run.Storm.OwnerConnectionString) { Database = "postgres" }.ConnectionString, sql);

    private static async Task<bool> TryAsync(StormRun run, string connectionString, string sql)
    {
        try
        {
            await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false }.ConnectionString);
            await connection.OpenAsync(run.Stopping);
            await using var command = new NpgsqlCommand(sql, connection);
            await command.ExecuteNonQueryAsync(run.Stopping);
            return true;
        }
        catch (Exception away) when (away is NpgsqlException or TimeoutException)
        {
            return false;
        }
    }
}
