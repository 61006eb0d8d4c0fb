using System.Net;
using PiiMasking.Contracts;
using PiiMasking.Testing;
using PiiMasking.Tink;
using static PiiMasking.MaskingService.Tests.RunningService;

namespace PiiMasking.MaskingService.Tests;

public sealed class StartingUp(MigratedDatabases databases)
{
    [Fact]
    public async Task Without_a_secret_the_service_waits_and_says_what_is_missing()
    {
        await using var database = await databases.CreateAsync();
        await using var store = await FakeSecretStore.StartAsync();
        await using var service = await StartAsync(database, store);

        await Eventually.HoldsAsync("readiness names the secret", async () => (await service.ReadinessAsync()).Contains("masking-keyset", StringComparison.Ordinal));
        using (var refused = await service.PostAsync(Message()))
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        }

        store.Secrets["masking-keyset"] = NewKeyset(KeyKind.DeterministicAead);
        store.Secrets["quarantine-keyset"] = NewKeyset(KeyKind.Aead);
        await service.WaitUntilReadyAsync();
        Assert.Equal([LoginOutcome.Stored], await service.StoreAsync(Message()));
    }

    [Fact]
    public async Task Without_a_schema_the_service_waits_and_says_what_to_run()
    {
        await using var database = await databases.Postgres.CreateDatabaseAsync();
        await using var service = await StartAsync(database);

        await Eventually.HoldsAsync("readiness names the remedy", async () => (await service.ReadinessAsync()).Contains("MaskingService migrate", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_wrong_password_is_named_and_not_printed()
    {
        await using var database = await databases.CreateAsync();
        await using var service = await StartAsync(database, settings: new()
        {
            ["ConnectionStrings:Database"] = database.ConnectionStringOf(MigratedDatabases.Writer, "canary-password"),
        });

        await Eventually.HoldsAsync("readiness names the password", async () => (await service.ReadinessAsync()).Contains("refuses the user or the password", StringComparison.Ordinal));
        Assert.DoesNotContain("canary-password", service.Logs.Everything, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_password_may_come_from_the_secret_store()
    {
        await using var database = await databases.CreateAsync();
        await using var store = await StoreWithKeysetsAsync();
        store.Secrets["postgres-password"] = MigratedDatabases.WriterPassword;
        await using var service = await StartAsync(database, store, new()
        {
            ["ConnectionStrings:Database"] = new Npgsql.NpgsqlConnectionStringBuilder(database.ConnectionString) { Username = MigratedDatabases.Writer, Password = null }.ConnectionString,
            ["Storage:PasswordSecret"] = "postgres-password",
        });

        await service.WaitUntilReadyAsync();
        Assert.Equal([LoginOutcome.Stored], await service.StoreAsync(Message()));
    }

    [Fact]
    public async Task A_database_that_is_away_makes_the_service_unready_and_costs_no_message()
    {
        await using var database = await databases.CreateAsync();
        await using var service = await StartReadyAsync(database);
        var message = Message();

        // Of this database, not of the role: that one is every other test's as well.
        await database.ExecuteAsync($"ALTER DATABASE {database.Name} CONNECTION LIMIT 0");
        try
        {
            await database.ExecuteAsync($"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database.Name}' AND usename = '{MigratedDatabases.Writer}'");
            Assert.Equal([LoginOutcome.Retry], await service.StoreAsync(message));
            await Eventually.HoldsAsync("the service is not ready", async () => (await service.ReadinessAsync()).Contains("\"database\"", StringComparison.Ordinal));
        }
        finally
        {
            await database.ExecuteAsync($"ALTER DATABASE {database.Name} CONNECTION LIMIT -1");
        }

        await service.WaitUntilReadyAsync();
        Assert.Equal([LoginOutcome.Stored], await service.StoreAsync(message));
    }

    [Fact]
    public async Task A_keyset_of_other_data_stops_the_service()
    {
        await using var database = await databases.CreateAsync();
        await using (await StartReadyAsync(database))
        {
        }

        await using var stranger = await StartAsync(database);

        await Eventually.HoldsAsync("the service has stopped itself", () => stranger.Stopped.IsCancellationRequested);
        Assert.Contains(stranger.Logs.Lines, line => line.Full.Contains("belongs to other data", StringComparison.Ordinal));
        Assert.Equal(1, await database.ScalarAsync<long>("SELECT count(*) FROM key_canaries WHERE keyset = 'masking'"));
    }

    [Fact]
    public async Task Of_two_replicas_with_different_fresh_keysets_one_claims_the_database_and_the_other_stops()
    {
        await using var database = await databases.CreateAsync();
        await using var one = await StartAsync(database);
        await using var other = await StartAsync(database);

        await Eventually.HoldsAsync("one has stopped itself", () => one.Stopped.IsCancellationRequested || other.Stopped.IsCancellationRequested);
        var left = one.Stopped.IsCancellationRequested ? other : one;
        await left.WaitUntilReadyAsync();

        Assert.False(left.Stopped.IsCancellationRequested);
        Assert.Equal(1, await database.ScalarAsync<long>("SELECT count(*) FROM key_canaries WHERE keyset = 'masking'"));
    }

    [Fact]
    public async Task A_call_that_finds_no_room_is_answered_503_and_can_be_sent_again()
    {
        await using var database = await databases.CreateAsync();
        await using var service = await StartReadyAsync(database, settings: new()
        {
            ["Storage:Writers"] = "1",
            ["Storage:MaxWaitingCalls"] = "1",
            ["Storage:MaxMessagesPerTransaction"] = "1",
            ["Storage:MaxWait"] = "00:00:00.2",
        });
        await using var blocker = await database.OpenAsync();
        await using var transaction = await blocker.BeginTransactionAsync();
        await using var exclusive = new Npgsql.NpgsqlCommand("SELECT pg_advisory_xact_lock(key_generation_lock())", blocker);
        await exclusive.ExecuteNonQueryAsync();
        var messages = Enumerable.Range(0, 6).Select(_ => Message()).ToArray();

        var calls = messages.Select(message => service.PostAsync(message)).ToArray();
        var refused = await Task.WhenAny(calls).Unwrap();
        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        await transaction.RollbackAsync();
        await Task.WhenAll(calls);
        var again = await service.StoreAsync(messages);

        Assert.All(again, outcome => Assert.True(outcome is LoginOutcome.Stored or LoginOutcome.Repeated));
        Assert.Equal(6, await database.ScalarAsync<long>("SELECT count(*) FROM user_logins"));
    }
}
