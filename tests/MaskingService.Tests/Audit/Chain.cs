using System.CommandLine;
using System.Globalization;
using System.Text;
using Microsoft.Extensions.Configuration;
using Npgsql;
using PiiMasking.MaskingService.Audit;
using PiiMasking.MaskingService.Keys.Commands;
using PiiMasking.MaskingService.Tests.People;
using PiiMasking.Testing;
using PiiMasking.Tink;
using static PiiMasking.MaskingService.Tests.RunningService;

namespace PiiMasking.MaskingService.Tests.Audit;

public sealed class Chain(MigratedDatabases databases)
{
    private const int Records = 40;

    [Fact]
    public async Task Every_edit_deletion_and_swap_is_named_and_the_untouched_chain_verifies()
    {
        await using var system = await PeopleSystem.StartAsync(databases);
        await MakeRecordsAsync(system);
        using var keyset = Keyset.Parse(Encoding.UTF8.GetBytes(system.Service.Store.Secrets["integrity-keyset"]));
        using var mac = new Mac(keyset);
        await using var connection = await system.Database.OpenAsync();
        var intact = Assert.IsType<ChainOutcome.Intact>(await AuditChain.VerifyAsync(connection, mac, head: null, CancellationToken.None));
        Assert.Equal(Records, intact.End.Number);

        var random = new Random(7);
        for (var i = 0; i < 300; i++)
        {
            var (tampering, first) = Tampering(random, i);
            await using var scratch = await connection.BeginTransactionAsync();
            await using (var command = new NpgsqlCommand(tampering, connection))
                Assert.True(await command.ExecuteNonQueryAsync() > 0, tampering);
            var outcome = await AuditChain.VerifyWithinAsync(connection, mac, head: null, CancellationToken.None);
            await scratch.RollbackAsync();

            Assert.True(outcome is ChainOutcome.Broken broken && broken.Number == first, $"{tampering}: {outcome}");
        }

        Assert.IsType<ChainOutcome.Intact>(await AuditChain.VerifyAsync(connection, mac, head: null, CancellationToken.None));
    }

    [Fact]
    public async Task A_cut_tail_shows_with_a_head_and_the_head_is_in_the_log()
    {
        await using var system = await PeopleSystem.StartAsync(databases, new() { ["People:LogHeadEvery"] = "00:00:00.2" });
        await MakeRecordsAsync(system);
        string? head = null;
        await Eventually.HoldsAsync("the last head is in the log", () =>
            (head = system.Service.Logs.Lines.LastOrDefault(line => line.EventId == 1503)?.Message.Split(' ')[^1])?.StartsWith($"{Records}.", StringComparison.Ordinal) is true);

        Assert.Equal((0, "The head is the end"), await VerifyAsync(system, head));
        // As one would do it who can write everything but has not the keyset.
        await system.Database.ExecuteAsync(
            "DELETE FROM audit WHERE number > 30; UPDATE audit_head SET number = 30, mac = (SELECT mac FROM audit WHERE number = 30)");

        Assert.Equal((0, "Not proved without a head"), await VerifyAsync(system, head: null));
        Assert.Equal((2, "Record 31 is missing"), await VerifyAsync(system, head));
        Assert.Equal((1, "audit verify: The head was not signed"), await VerifyAsync(system, head![..^1] + (head[^1] == 'A' ? 'B' : 'A')));
        await Eventually.HoldsAsync("the service says so too", () => system.Service.Logs.Lines.Any(line => line.EventId == 1504));
    }

    [Fact]
    public async Task Only_the_last_record_gone_shows_without_a_head_as_long_as_audit_head_is_left()
    {
        await using var system = await PeopleSystem.StartAsync(databases);
        await MakeRecordsAsync(system);

        await system.Database.ExecuteAsync($"DELETE FROM audit WHERE number = {Records}");

        Assert.Equal((2, $"Record {Records} is missing"), await VerifyAsync(system, head: null));
    }

    [Fact]
    public async Task The_keyset_may_come_from_the_secret_store_and_another_one_verifies_nothing()
    {
        await using var system = await PeopleSystem.StartAsync(databases);
        await MakeRecordsAsync(system);

        Assert.Equal((0, "Not proved without a head"), await VerifyAsync(system, head: null, keyset: ""));
        Assert.Equal((2, "Record 1 is not what was written"), await VerifyAsync(system, head: null, keyset: NewKeyset(KeyKind.Mac)));
        Assert.Equal((1, "audit verify: This is a Aead keyset"), await VerifyAsync(system, head: null, keyset: NewKeyset(KeyKind.Aead)));
    }

    [Fact]
    public async Task After_a_rotation_of_the_integrity_keyset_old_and_new_records_verify()
    {
        await using var system = await PeopleSystem.StartAsync(databases, new() { ["Keys:ReloadEvery"] = "00:00:01" });
        await MakeRecordsAsync(system);
        using var before = Keyset.Parse(Encoding.UTF8.GetBytes(system.Service.Store.Secrets["integrity-keyset"]));
        using var after = before.WithNewKey(makePrimary: true);

        system.Service.Store.Secrets["integrity-keyset"] = Encoding.UTF8.GetString(after.ToJson());
        await Eventually.HoldsAsync("the new key is in use", () => system.Service.Logs.Everything.Contains($"with primary key {after.PrimaryKeyId}; people", StringComparison.Ordinal));
        await MakeRecordsAsync(system);

        Assert.Equal((0, "Not proved without a head"), await VerifyAsync(system, head: null));
        Assert.Equal(2, await system.Database.ScalarAsync<long>("SELECT count(DISTINCT substr(mac, 1, 5)) FROM audit"));
    }

    [Fact]
    public async Task Replicas_that_write_at_once_make_one_gapless_chain()
    {
        await using var system = await PeopleSystem.StartAsync(databases);
        await using var other = await StartReadyAsync(system.Database, system.Service.Store);
        await Eventually.HoldsAsync("the other has its keyset", () => other.Logs.Lines.Any(line => line.EventId == 1501));
        var scopeless = BearerToken.For("nobody", "none");

        await Parallel.ForEachAsync(Enumerable.Range(0, 200), new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (i, _) =>
        {
            using var response = await system.SendAsync(HttpMethod.Get, "/v1/audit", scopeless, client: i % 2 == 0 ? other.People : system.Service.People);
        });

        Assert.Equal(200, await system.Database.ScalarAsync<long>("SELECT max(number) FROM audit"));
        Assert.Equal((0, "Not proved without a head"), await VerifyAsync(system, head: null));
    }

    private static (string Sql, long First) Tampering(Random random, int kind)
    {
        var one = random.Next(1, Records);
        var other = random.Next(one + 1, Records + 1);
        string[] edits =
        [
            "reason = reason || '.'", "subject = 'bob'", "outcome = 'granted '", "detail = ''", "client = NULL", "address = '127.0.0.2'", "ticket = ''",
            "recorded_at = recorded_at + interval '1 microsecond'", "recorded_at = 'infinity'", "tokens = tokens + 1", "charged = charged + 1",
            "charged_today = charged_today + 1", "occurrences = occurrences + 1", "key_ids = '1'", "fingerprints = fingerprints || '\\x00'::bytea", "field = 'device_id'",
            "target = 'x'", "action = 'lookup'", "mac = set_byte(mac, 20, get_byte(mac, 20) # 1)", "mac = ''",
        ];
        return (kind % 3) switch
        {
            0 => ($"UPDATE audit SET {edits[random.Next(edits.Length)]} WHERE number = {one}", one),
            1 => ($"DELETE FROM audit WHERE number = {one}", one),
            _ => (
                $"""
                UPDATE audit SET number = 1000 WHERE number = {one};
                UPDATE audit SET number = {one} WHERE number = {other};
                UPDATE audit SET number = {other} WHERE number = 1000;
                """,
                one),
        };
    }

    private static async Task MakeRecordsAsync(PeopleSystem system)
    {
        for (var i = 0; i < Records; i++)
        {
            using var response = await system.PostAsync(
                "/v1/reveal", new { field = "ip", tokens = new[] { "x", "y" }, reason = string.Create(CultureInfo.InvariantCulture, $"r{i}"), ticket = "T" });
            Assert.Equal(System.Net.HttpStatusCode.UnprocessableEntity, response.StatusCode);
        }
    }

    /// <summary>Runs the command as a program would, and yields its exit code and the telling line's beginning.</summary>
    private static async Task<(int Code, string Says)> VerifyAsync(PeopleSystem system, string? head, string? keyset = null)
    {
        keyset ??= system.Service.Store.Secrets["integrity-keyset"];
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["ConnectionStrings:Auditor"] = system.Database.ConnectionString,
            ["DAPR_HTTP_ENDPOINT"] = system.Service.Store.Endpoint,
        }).Build();
        using var output = new MemoryStream();
        await using var notes = new StringWriter(CultureInfo.InvariantCulture);
        var command = AuditCommand.Create(new Terminal(new MemoryStream(Encoding.UTF8.GetBytes(keyset)), output, notes, false, false), configuration);

        var code = await command.Parse([
            "verify", .. keyset.Length > 0 ? (string[])["--keyset", "-"] : [], .. head is null ? [] : (string[])["--head", head]]).InvokeAsync();
        var lines = (Encoding.UTF8.GetString(output.ToArray()) + notes).Split('\n');
        string[] beginnings =
        [
            "The head is the end", "Not proved without a head", "Not proved by a head", "audit verify: The head was not signed",
            "audit verify: This is a Aead keyset", "Record 1 is not what was written", "Record 31 is missing", $"Record {Records} is missing",
        ];
        return (code, beginnings.FirstOrDefault(beginning => lines.Any(line => line.StartsWith(beginning, StringComparison.Ordinal))) ?? string.Join('\n', lines));
    }
}
