using System.Diagnostics;
using System.Globalization;
using PiiMasking.AppHost;
using PiiMasking.Backing;
using PiiMasking.Testing;

namespace PiiMasking.Conformance.Tests;

/// <summary>What the system does with any broker, held to what the set's logins.yaml claims for it.</summary>
public sealed class BrokerTests(ConformingSystems systems, ITestOutputHelper output)
{
    private const int InFlight = 40;

    /// <summary>How many the throughput is taken of. Some brokers get their messages to an app one by one, so it is few unless asked for.</summary>
    private static readonly int Measured =
        int.Parse(Environment.GetEnvironmentVariable("CONFORMANCE_MESSAGES") ?? "100", CultureInfo.InvariantCulture);

    // A message whose delivery was lost shows again after the broker's own time.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    public static TheoryData<string> Sets => [.. ComponentSet.Names];

    private static CancellationToken Stopping => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(Sets))]
    public async Task An_event_that_is_published_again_is_stored_once(string set)
    {
        var system = await systems.OfAsync(set);
        Assert.SkipUnless(system.Set.NamesEvents, "the broker gives a message that is published again another identity");
        var user = NewPrefix();
        var once = ConformingSystem.Event(Guid.NewGuid().ToString(), A.Login(user));
        // What another test killed may have been delivered again, and committed.
        var before = await system.ScalarAsync<long>("SELECT repeated FROM ledger_totals");

        await system.PublishAsync([once, once], Stopping);
        await system.PublishAsync([once, ConformingSystem.Event(Guid.NewGuid().ToString(), A.Login(user + "-last"))], Stopping);
        await StoredAsync(system, user, 2);
        await Eventually.HoldsAsync(
            "both repeats are in the ledger",
            async () => await system.ScalarAsync<long>("SELECT repeated FROM ledger_totals") >= before + 2,
            Patience,
            Stopping);

        Assert.Equal((2, 2), await system.StoredAsync(user));
    }

    [Theory]
    [MemberData(nameof(Sets))]
    public async Task Each_message_of_a_bulk_is_decided_for_itself(string set)
    {
        var system = await systems.OfAsync(set);
        var user = NewPrefix();
        var before = await QuarantinedAsync(system);
        var bodies = Enumerable.Range(0, 50).Select(at => (at % 10) switch
        {
            3 => A.WrongMessage(),
            7 => "not JSON \u0001 at all",
            9 => A.Login($"{user}-{at}", ip: "not an address"),
            _ => system.Message(A.Login($"{user}-{at}")),
        });

        await system.PublishAsync(bodies, Stopping);

        await StoredAsync(system, user, 35);
        await Eventually.EqualsAsync("in quarantine", before + 15, () => QuarantinedAsync(system), Patience, Stopping);
        Assert.Equal((35, 35), await system.StoredAsync(user));
    }

    [Theory]
    [MemberData(nameof(Sets))]
    public async Task Poison_stays_in_quarantine_and_nobody_waits_for_it(string set)
    {
        var system = await systems.OfAsync(set);
        var user = NewPrefix();
        var before = await QuarantinedAsync(system);
        string[] poison = ["{", "[]", "null", "\"\"", new string('[', 100_000), new string('x', 500_000), "{\"ip\": \"\\ud800\"}"];

        await system.PublishAsync(poison, Stopping);
        await system.PublishAsync([system.Message(A.Login(user))], Stopping);

        await StoredAsync(system, user, 1);
        await Eventually.EqualsAsync("in quarantine", before + poison.Length, () => QuarantinedAsync(system), Patience, Stopping);
    }

    [Theory]
    [MemberData(nameof(Sets))]
    public Task What_the_masking_service_had_not_stored_when_it_was_killed_is_delivered_again(string set) =>
        KillAsync(set, system => system.Masking, isCommitted: false);

    [Theory]
    [MemberData(nameof(Sets))]
    public Task What_is_delivered_again_because_the_sidecar_was_killed_is_not_stored_again(string set) =>
        KillAsync(set, system => system.IngestionSidecar, isCommitted: true);

    [Theory]
    [MemberData(nameof(Sets))]
    public async Task Throughput_is_reported(string set)
    {
        var system = await systems.OfAsync(set);
        var user = NewPrefix();
        var bodies = Enumerable.Range(0, Measured).Select(at => system.Message(A.Login($"{user}-{at}"))).ToArray();

        var took = Stopwatch.StartNew();
        await system.PublishAsync(bodies, Stopping);
        var published = took.Elapsed;
        await StoredAsync(system, user, Measured);

        output.WriteLine(
            $"{set}: {Measured} messages published in {published.TotalSeconds:0.00} s, stored after {took.Elapsed.TotalSeconds:0.00} s: "
            + $"{Measured / took.Elapsed.TotalSeconds:0} messages a second from the first publication to the last row");
        Assert.Equal((Measured, Measured), await system.StoredAsync(user));
    }

    /// <summary>Kills a program while messages are between the broker and their rows: nothing is stored twice, and nothing lost that may not be.</summary>
    /// <param name="set">The component set.</param>
    /// <param name="victim">What is killed.</param>
    /// <param name="isCommitted">What is under way gets committed all the same, and only its acknowledgement is lost.</param>
    private async Task KillAsync(string set, Func<LocalSystem, Supervised> victim, bool isCommitted)
    {
        var system = await systems.OfAsync(set);
        var user = NewPrefix();
        var repeated = await system.ScalarAsync<long>("SELECT repeated FROM ledger_totals");

        await using (var connection = await system.OpenAsync())
        {
            // While this transaction is open nothing is committed, and so nothing acknowledged.
            await using var transaction = await connection.BeginTransactionAsync(Stopping);
            await using (var hold = connection.CreateCommand())
            {
                hold.CommandText = "LOCK TABLE user_logins IN ACCESS EXCLUSIVE MODE";
                await hold.ExecuteNonQueryAsync(Stopping);
            }

            await system.PublishAsync(Enumerable.Range(0, InFlight).Select(at => system.Message(A.Login($"{user}-{at}"))), Stopping);
            await Eventually.HoldsAsync(
                "a transaction waits for the table",
                async () => await system.ScalarAsync<long>("SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'RowExclusiveLock'") > 0,
                Patience,
                Stopping);
            var process = victim(system.Running).Process!;
            process.Send(Signal.Kill);
            await process.Exited.WaitAsync(Stopping);
        }

        if (system.Set.LosesNothing)
        {
            await StoredAsync(system, user, InFlight);
            if (isCommitted)
            {
                await Eventually.HoldsAsync(
                    "something was delivered again",
                    async () => await system.ScalarAsync<long>("SELECT repeated FROM ledger_totals") > repeated,
                    Patience,
                    Stopping);
            }
        }

        // Whatever became of those, others get through again.
        var next = NewPrefix();
        await Eventually.HoldsAsync(
            "another login is stored",
            async () =>
            {
                await system.PublishAsync([system.Message(A.Login($"{next}-{Guid.NewGuid()}"))], Stopping);
                await Task.Delay(TimeSpan.FromMilliseconds(200), Stopping);
                return (await system.StoredAsync(next)).Rows > 0;
            },
            Patience,
            Stopping);

        var (rows, users) = await system.StoredAsync(user);
        Assert.Equal(users, rows);
        output.WriteLine($"{set}: {InFlight} messages under way, {users} stored, none twice");
    }

    private static string NewPrefix() => Guid.NewGuid().ToString("n")[..12];

    private static Task<long> QuarantinedAsync(ConformingSystem system) => system.ScalarAsync<long>("SELECT count(*) FROM quarantine");

    private static Task StoredAsync(ConformingSystem system, string prefix, int users) => Eventually.EqualsAsync(
        "users stored", (long)users, async () => (await system.StoredAsync(prefix)).Users, Patience, Stopping);
}
