using System.CommandLine;
using System.Globalization;
using System.Text;
using Microsoft.Extensions.Configuration;
using Npgsql;
using PiiMasking.Contracts;
using PiiMasking.MaskingService.Audit;
using PiiMasking.MaskingService.Keys.Commands;
using PiiMasking.MaskingService.Retention;
using PiiMasking.MaskingService.Tests.People;
using PiiMasking.Testing;
using PiiMasking.Tink;
using static PiiMasking.MaskingService.Tests.RunningService;

namespace PiiMasking.MaskingService.Tests.Retention;

public sealed class RemovingWhatIsOld(MigratedDatabases databases) : IAsyncLifetime
{
    private const string TwoOldMonths = """
        CREATE TABLE user_logins_2024_01 PARTITION OF user_logins FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
        CREATE TABLE by_another_name PARTITION OF user_logins FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
        """;

    private static readonly DateTimeOffset Now = TimeProvider.System.GetUtcNow();

    private PeopleSystem system = null!;

    public async ValueTask InitializeAsync() => system = await PeopleSystem.StartAsync(databases);

    public ValueTask DisposeAsync() => system.DisposeAsync();

    [Fact]
    public async Task Old_partitions_and_odd_dates_go_while_logins_stream_in()
    {
        await system.Database.ExecuteAsync(TwoOldMonths);
        await system.Service.StoreAsync(At("2024-01-15"), At("2024-02-15"), At("1970-01-01"), At("1970-01-01"), At("2099-01-01"), Message(sentAt: Now));
        using var stop = new CancellationTokenSource();
        var stored = 0;
        var stream = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                var outcomes = await system.Service.StoreAsync([.. Enumerable.Range(0, 20).Select(_ => Message(sentAt: Now)), At("2099-01-01")]);
                Assert.All(outcomes, outcome => Assert.Equal(LoginOutcome.Stored, outcome));
                stored += outcomes.Count;
            }
        });

        var (code, says) = await RunAsync(("Logins", "365.00:00:00"));
        await stop.CancelAsync();
        await stream;

        Assert.Equal((0, "Removed 2 partitions of logins, 2 logins of odd dates,"), (code, says[..54]));
        Assert.Equal(stored + 2, await system.Database.ScalarAsync<long>("SELECT count(*) FROM user_logins"));
        Assert.True(await system.Database.ScalarAsync<bool>("SELECT to_regclass('by_another_name') IS NULL AND to_regclass('user_logins_2024_01') IS NULL"));
        // Late or odd, a login is stored; the next run takes it.
        Assert.Equal([LoginOutcome.Stored, LoginOutcome.Stored], await system.Service.StoreAsync(At("2024-01-15"), At("1970-01-01")));
        Assert.StartsWith("Removed 0 partitions of logins, 2 logins of odd dates,", (await RunAsync(("Logins", "365.00:00:00"))).Says, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Behind_a_reader_it_gives_up_and_stops_nobody_and_the_service_does_it_later()
    {
        await system.Database.ExecuteAsync(TwoOldMonths);
        await system.Service.StoreAsync(At("2024-01-15"), At("2024-02-15"));
        await using var reading = await system.Database.OpenAsync();
        await using var transaction = await reading.BeginTransactionAsync();
        await using (var select = new NpgsqlCommand("SELECT count(*) FROM user_logins", reading))
            await select.ExecuteScalarAsync();

        var attempt = RunAsync(("Logins", "365.00:00:00"));
        for (var i = 0; i < 5; i++)
            Assert.Equal([LoginOutcome.Stored], await system.Service.StoreAsync(Message(sentAt: Now)));
        await transaction.RollbackAsync();
        Assert.Equal(0, (await attempt).Code);
        Assert.Equal(5, await system.Database.ScalarAsync<long>("SELECT count(*) FROM user_logins"));

        await system.Database.ExecuteAsync(TwoOldMonths);
        await using var other = await StartAsync(system.Database, system.Service.Store, new()
        {
            ["ConnectionStrings:Steward"] = Steward(),
            ["Retention:Every"] = "00:00:01",
            ["Retention:Logins"] = "365.00:00:00",
        });
        await Eventually.HoldsAsync("the service drops them", () => system.Database.ScalarAsync<bool>("SELECT to_regclass('by_another_name') IS NULL"));
    }

    [Fact]
    public async Task Quarantine_ledger_and_fingerprints_go_by_their_ages_and_the_sums_stay()
    {
        await system.Service.StoreAsync(Message(), Rejected("old"));
        using (var erased = await system.PostAsync("/v1/erasures", new { user_id = "user-1", reason = "r" }))
            Assert.True(erased.IsSuccessStatusCode);
        await system.Service.StoreAsync(Message());
        await system.Database.ExecuteAsync(
            """
            UPDATE quarantine SET quarantined_at = quarantined_at - interval '100 days';
            UPDATE ledger SET committed_at = committed_at - interval '100 days';
            UPDATE erasures SET erased_at = erased_at - interval '100 days';
            UPDATE erased_messages SET erased_at = erased_at - interval '100 days';
            """);
        await system.Service.StoreAsync(Rejected("new"), Message(Login(userId: "user-2")));
        const string totals = "SELECT ledger_totals::text FROM ledger_totals";
        var before = await system.Database.ScalarAsync<string>(totals);

        var (code, says) = await RunAsync(("Quarantine", "90.00:00:00"), ("Ledger", "90.00:00:00"), ("Erasures", "90.00:00:00"));

        Assert.Equal((0, "Removed 0 partitions of logins, 0 logins of odd dates, 1 messages in quarantine, 2 ledger entries, 0 audit records, 1 erasures."), (code, says));
        Assert.Equal("(2,0,2,1,5)", before);
        Assert.Equal(before, await system.Database.ScalarAsync<string>(totals));
        Assert.Equal(1, await system.Database.ScalarAsync<long>("SELECT count(*) FROM ledger"));
        Assert.Equal(1, await system.Database.ScalarAsync<long>("SELECT count(*) FROM quarantine"));
        Assert.Equal(0, await system.Database.ScalarAsync<long>("SELECT (SELECT count(*) FROM erasures) + (SELECT count(*) FROM erased_messages)"));
        Assert.Equal((0, before), ((await RunAsync(("Ledger", "90.00:00:00"))).Code, await system.Database.ScalarAsync<string>(totals)));
    }

    [Fact]
    public async Task The_audit_verifies_after_its_head_was_cut_and_only_the_service_can_cut_it()
    {
        for (var i = 0; i < 12; i++)
        {
            using var response = await system.PostAsync("/v1/reveal", new { field = "ip", tokens = new[] { "x" }, reason = "r" });
        }

        using var keyset = Keyset.Parse(Encoding.UTF8.GetBytes(system.Service.Store.Secrets["integrity-keyset"]));
        using var mac = new Mac(keyset);
        // Eight of them are old. Their times are under the MAC, so they are chained anew, as the service would have done it then.
        await AgeAsync(mac, upTo: 8);

        Assert.Contains("8 audit records", (await RunAsync(("Audit", "90.00:00:00"))).Says, StringComparison.Ordinal);

        Assert.Equal((12, 8), await VerifyAsync(mac));
        using (var more = await system.PostAsync("/v1/reveal", new { field = "ip", tokens = new[] { "x" }, reason = "r" }))
            Assert.Equal((13, 8), await VerifyAsync(mac));
        foreach (var tampering in new[]
        {
            "DELETE FROM audit_checkpoint",
            "DELETE FROM audit WHERE number = 9",
            "DELETE FROM audit WHERE number <= 10; UPDATE audit_checkpoint SET number = 10",
            "UPDATE audit_checkpoint SET mac = (SELECT mac FROM audit WHERE number = 9)",
            "UPDATE audit_checkpoint SET number = -1",
        })
        {
            await using var connection = await system.Database.OpenAsync();
            await using var scratch = await connection.BeginTransactionAsync();
            await using (var command = new NpgsqlCommand(tampering, connection))
                await command.ExecuteNonQueryAsync();
            Assert.IsType<ChainOutcome.Broken>(await AuditChain.VerifyWithinAsync(connection, mac, head: null, CancellationToken.None));
        }

        // What does not verify is not cut, so that nobody can have an edit signed.
        await AgeAsync(mac, upTo: 10);
        await system.Database.ExecuteAsync("UPDATE audit SET reason = 'another' WHERE number = 10");
        Assert.Equal(2, (await RunAsync(("Audit", "90.00:00:00"))).Code);
        Assert.Equal(5, await system.RecordsAsync());
    }

    [Theory]
    [InlineData("Erasures", "10.00:00:00", "BrokersKeepMessagesFor")]
    [InlineData("Erasures", "90.00:00:00", "Retention:Quarantine")]
    [InlineData("Logins", "00:01:00", "Logins")]
    public async Task Ages_that_would_let_an_erased_user_back_or_are_too_short_are_refused(string what, string age, string says)
    {
        var (code, answer) = await RunAsync((what, age));

        Assert.Equal(1, code);
        Assert.Contains(says, answer, StringComparison.Ordinal);
    }

    private static LoginMessage At(string date) =>
        Message(sentAt: DateTimeOffset.Parse($"{date}T12:00:00Z", CultureInfo.InvariantCulture));

    private async Task<(long End, long Cut)> VerifyAsync(Mac mac)
    {
        await using var connection = await system.Database.OpenAsync();
        var intact = Assert.IsType<ChainOutcome.Intact>(await AuditChain.VerifyAsync(connection, mac, head: null, CancellationToken.None));
        return (intact.End.Number, intact.Cut);
    }

    private async Task AgeAsync(Mac mac, long upTo)
    {
        await using var connection = await system.Database.OpenAsync();
        var last = (await AuditCheckpoint.ReadAsync(connection, CancellationToken.None)).Before;
        foreach (var record in await AuditReader.ReadAsync(connection, new(0, 1_000), CancellationToken.None))
        {
            var aged = record.Number <= upTo ? record with { RecordedAt = record.RecordedAt.AddDays(-100) } : record;
            last = new AuditHead(aged.Number, mac.Compute(aged.Canonical(last.Mac)));
            await using var update = new NpgsqlCommand("UPDATE audit SET recorded_at = $2, mac = $3 WHERE number = $1", connection)
            {
                Parameters = { new() { Value = aged.Number }, new() { Value = aged.RecordedAt }, new() { Value = last.Mac } },
            };
            await update.ExecuteNonQueryAsync();
        }

        await using var head = new NpgsqlCommand("UPDATE audit_head SET mac = $1", connection) { Parameters = { new() { Value = last.Mac } } };
        await head.ExecuteNonQueryAsync();
    }

    private string Steward() => system.Database.ConnectionStringOf(MigratedDatabases.Steward, MigratedDatabases.StewardPassword);

    /// <summary>Runs the command as a program would, and yields its exit code and what it says.</summary>
    private async Task<(int Code, string Says)> RunAsync(params (string What, string Age)[] ages)
    {
        var configuration = new ConfigurationBuilder()
            .AddInMemoryCollection(ages.ToDictionary(each => $"Retention:{each.What}", each => (string?)each.Age))
            .AddInMemoryCollection(new Dictionary<string, string?>
            {
                ["ConnectionStrings:Steward"] = Steward(),
                ["DAPR_HTTP_ENDPOINT"] = system.Service.Store.Endpoint,
            })
            .Build();
        using var output = new MemoryStream();
        await using var notes = new StringWriter(CultureInfo.InvariantCulture);
        var code = await RetentionCommand.Create(new Terminal(new MemoryStream(), output, notes, false, false), configuration).Parse([]).InvokeAsync();
        return (code, (Encoding.UTF8.GetString(output.ToArray()) + notes).Trim());
    }
}
