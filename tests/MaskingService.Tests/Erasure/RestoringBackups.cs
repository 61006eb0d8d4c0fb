using System.Globalization;
using System.Net;
using System.Text;
using Microsoft.Extensions.Configuration;
using Npgsql;
using PiiMasking.Contracts;
using PiiMasking.MaskingService.Erasure;
using PiiMasking.MaskingService.Keys.Commands;
using PiiMasking.MaskingService.Tests.People;
using PiiMasking.Testing;
using PiiMasking.Tink;
using static PiiMasking.MaskingService.Tests.RunningService;

namespace PiiMasking.MaskingService.Tests.Erasure;

public sealed class RestoringBackups(MigratedDatabases databases)
{
    private const string Someone = "canary-user-7c21";
    private const string Bad = $$"""{"user_id": "{{Someone}}", "ip": "300.1.1.1"}""";

    private static DateTimeOffset Now => TimeProvider.System.GetUtcNow();

    [Fact]
    public async Task A_database_restored_from_before_an_erasure_is_put_right_by_the_receipts()
    {
        using var scratch = new ScratchFolder();
        await using var store = await StoreWithKeysetsAsync();
        await using var database = await databases.CreateAsync();
        var before = Enumerable.Range(0, 30).Select(i => Message(Login(userId: Someone), sentAt: Now.AddDays(-i).AddMinutes(-1))).ToArray();
        await using (var service = await StartAsync(database, store, scratch))
            await service.StoreAsync([.. before, Rejected(Bad), Message(Login(userId: "someone else"), sentAt: Now)]);

        // Nobody is connected: a copy of the files, as a physical backup is.
        NpgsqlConnection.ClearAllPools();
        await using var restored = await databases.Postgres.CreateDatabaseAsync(database.Name);
        await using (var service = await StartAsync(database, store, scratch))
        {
            await EraseAsync(service, Someone);
            await EraseAsync(service, "somebody who was never there");
        }

        var receipts = await File.ReadAllTextAsync(scratch["receipts"]);
        Assert.DoesNotContain(Someone, receipts, StringComparison.Ordinal);
        Assert.Equal((0, "2 erasures were applied, 0 were there already."), await ReapplyAsync(restored, store, receipts));
        Assert.Equal((0, "0 erasures were applied, 2 were there already."), await ReapplyAsync(restored, store, receipts));

        Assert.Equal("someone else", await restored.ScalarAsync<string>("SELECT string_agg(user_id, ',') FROM user_logins"));
        Assert.Equal(0, await restored.ScalarAsync<long>("SELECT count(*) FROM quarantine"));
        await using var after = await StartAsync(restored, store, scratch);
        Assert.Equal(
            [LoginOutcome.Erased, LoginOutcome.Erased, LoginOutcome.Stored],
            await after.StoreAsync(
                before[3], Message(Login(userId: Someone), sentAt: Now.AddHours(-1)), Message(Login(userId: Someone), sentAt: Now.AddMinutes(1))));
    }

    [Fact]
    public async Task A_receipt_that_was_altered_or_made_elsewhere_is_named_and_the_others_are_applied()
    {
        using var scratch = new ScratchFolder();
        await using var store = await StoreWithKeysetsAsync();
        await using var database = await databases.CreateAsync();
        await using (var service = await StartAsync(database, store, scratch))
            await EraseAsync(service, Someone);
        var receipt = (await File.ReadAllTextAsync(scratch["receipts"])).Trim();
        await database.ExecuteAsync("DELETE FROM erasures");

        var (code, says) = await ReapplyAsync(
            database, store, $"{receipt.Replace("\"logins\":0", "\"logins\":1", StringComparison.Ordinal)}\n\n{receipt[..^9]}\n{receipt}\n");

        Assert.Equal(2, code);
        Assert.Contains("1 erasures were applied", says, StringComparison.Ordinal);
        Assert.Contains("line 1 is no receipt", says, StringComparison.Ordinal);
        Assert.Contains("line 3 is no receipt", says, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_fingerprint_counts_after_a_rotation_of_the_integrity_keyset_and_without_its_key_nothing_is_stored()
    {
        using var scratch = new ScratchFolder();
        await using var store = await StoreWithKeysetsAsync();
        await using var database = await databases.CreateAsync();
        var message = Message(Login(userId: Someone), sentAt: Now.AddMinutes(-1));
        using var first = Keyset.Parse(Encoding.UTF8.GetBytes(store.Secrets["integrity-keyset"]));
        using var second = first.WithNewKey(makePrimary: true);
        await using (var service = await StartAsync(database, store, scratch))
        {
            await service.StoreAsync(Rejected(Bad) is var bad ? bad with { Rejection = bad.Rejection! with { UserIds = [Someone] } } : null!);
            await EraseAsync(service, "another");
        }

        store.Secrets["integrity-keyset"] = Encoding.UTF8.GetString(second.ToJson());
        await using (var service = await StartAsync(database, store, scratch))
        {
            // Quarantined under the first key, erased under the second.
            await EraseAsync(service, Someone);
            Assert.Equal(0, await database.ScalarAsync<long>("SELECT count(*) FROM quarantine"));
            Assert.Equal(
                [LoginOutcome.Erased, LoginOutcome.Erased, LoginOutcome.Stored],
                await service.StoreAsync(message, Message(Login(userId: "another"), sentAt: Now.AddMinutes(-1)), Message(Login(userId: "third"))));
        }

        store.Secrets["integrity-keyset"] = NewKeyset(KeyKind.Mac);
        await using (var service = await RunningService.StartAsync(database, store))
        {
            await Eventually.HoldsAsync("readiness says why", async () => (await service.ReadinessAsync()).Contains("users were erased", StringComparison.Ordinal));
            await Eventually.EqualsAsync("a message", LoginOutcome.Retry, async () => (await service.StoreAsync(message))[0]);
        }
    }

    private static async Task<RunningService> StartAsync(TestDatabase database, FakeSecretStore store, ScratchFolder scratch)
    {
        var service = await StartReadyAsync(database, store, new() { ["Erasure:ReceiptFile"] = scratch["receipts"] });
        await Eventually.HoldsAsync("people are served", () => service.Logs.Lines.Any(line => line.EventId == 1501));
        return service;
    }

    private static async Task EraseAsync(RunningService service, string userId)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri("/v1/erasures", UriKind.Relative))
        {
            Headers = { Authorization = new("Bearer", BearerToken.For("dpo", "pii.erase")) },
            Content = new StringContent($$"""{"user_id": "{{userId}}", "reason": "r"}""", Encoding.UTF8, "application/json"),
        };
        using var response = await service.People.SendAsync(request);
        Assert.True(response.StatusCode is HttpStatusCode.OK, await response.Content.ReadAsStringAsync());
    }

    /// <summary>Runs the command as a program would, and yields its exit code and what it says.</summary>
    private static async Task<(int Code, string Says)> ReapplyAsync(TestDatabase database, FakeSecretStore store, string receipts)
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["ConnectionStrings:Database"] = database.ConnectionStringOf(MigratedDatabases.Writer, MigratedDatabases.WriterPassword),
            ["ConnectionStrings:People"] = database.ConnectionStringOf(MigratedDatabases.People, MigratedDatabases.PeoplePassword),
            ["DAPR_HTTP_ENDPOINT"] = store.Endpoint,
        }).Build();
        using var output = new MemoryStream();
        await using var notes = new StringWriter(CultureInfo.InvariantCulture);
        var command = ErasureCommand.Create(new Terminal(new MemoryStream(Encoding.UTF8.GetBytes(receipts)), output, notes, false, false), configuration);

        var code = await command.Parse(["reapply"]).InvokeAsync();
        return (code, (Encoding.UTF8.GetString(output.ToArray()) + notes).Trim());
    }
}
