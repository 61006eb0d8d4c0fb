using System.Net;
using Microsoft.Extensions.Logging;
using PiiMasking.Contracts;
using PiiMasking.MaskingService.Tests.People;
using PiiMasking.Testing;
using static PiiMasking.MaskingService.Tests.RunningService;

namespace PiiMasking.MaskingService.Tests.Quarantine;

public sealed class FillingTheQuarantine(MigratedDatabases databases)
{
    private const string Size = "SELECT messages || '/' || bytes FROM quarantine_totals";
    private const string Counted = "SELECT count(*) || '/' || coalesce(sum(octet_length(sealed_payload)), 0) FROM quarantine";

    [Fact]
    public async Task Its_size_is_kept_whatever_comes_and_goes()
    {
        await using var system = await PeopleSystem.StartAsync(databases);
        var rejected = Enumerable.Range(0, 60).Select(number => Rejected(new string('x', 100 * number))).ToArray();
        var good = Rejected("""{"user_id": "u", "ip": "198.18.0.9", "device_id": "593-47-5928"}""");

        // The same messages from several sides at once: each counts when it is added.
        await Task.WhenAll(
            system.Service.StoreAsync(rejected), system.Service.StoreAsync([.. rejected.Reverse()]),
            system.Service.StoreAsync([.. rejected.Take(20), good]), system.Service.StoreAsync(Message()));

        Assert.StartsWith("61/", await HeldAsync(system), StringComparison.Ordinal);
        await PeopleSystem.JsonAsync(await system.PostAsync("/v1/quarantine/replay", new { all = true, reason = "test" }));
        await PeopleSystem.JsonAsync(await system.PostAsync($"/v1/quarantine/{rejected[7].MessageId}/delete", new { reason = "test" }));
        Assert.StartsWith("59/", await HeldAsync(system), StringComparison.Ordinal);
        await system.Database.ExecuteAsync("SET ROLE pii_steward; DELETE FROM quarantine WHERE octet_length(sealed_payload) > 3000");
        Assert.StartsWith("29/", await HeldAsync(system), StringComparison.Ordinal);
        await system.Database.ExecuteAsync("TRUNCATE quarantine");
        Assert.Equal("0/0", await HeldAsync(system));
    }

    [Theory]
    [InlineData("Quarantine:MaxMessages", "3")]
    [InlineData("Quarantine:MaxBytes", "300")]
    public async Task At_its_bound_nothing_is_consumed_until_there_is_room(string setting, string bound)
    {
        await using var database = await databases.CreateAsync();
        await using var service = await StartReadyAsync(database, settings: new() { [setting] = bound });
        Assert.All(
            await service.StoreAsync([.. Enumerable.Range(0, 4).Select(_ => Rejected(new string('x', 90)))]),
            outcome => Assert.Equal(LoginOutcome.Quarantined, outcome));

        // By then it has been asked for: an answer from before the messages came would say that there is room.
        await Eventually.HoldsAsync(
            "it is in the log", () => service.Logs.Lines.Any(line => line is { Level: LogLevel.Critical, EventId: 1401 }));

        // Not even a good login: while some get through, the queue takes what does not for poison.
        using (var refused = await service.PostAsync(Message()))
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
            Assert.Contains("quarantine is full", await refused.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }

        Assert.Contains("quarantine is full", await service.ReadinessAsync(), StringComparison.Ordinal);
        Assert.Equal(0, await database.ScalarAsync<long>("SELECT count(*) FROM user_logins"));

        await database.ExecuteAsync("DELETE FROM quarantine WHERE message_id IN (SELECT message_id FROM quarantine LIMIT 2)");

        await service.WaitUntilReadyAsync();
        Assert.Equal([LoginOutcome.Stored, LoginOutcome.Quarantined], await service.StoreAsync(Message(), Rejected("x")));
    }

    [Fact]
    public async Task A_full_one_is_known_to_a_service_that_starts_and_may_be_given_a_higher_bound()
    {
        await using var database = await databases.CreateAsync();
        await using var store = await StoreWithKeysetsAsync();
        await using (var first = await StartReadyAsync(database, store))
            await first.StoreAsync(Rejected("one"), Rejected("two"));

        await using (var full = await StartAsync(database, store, new() { ["Quarantine:MaxMessages"] = "2" }))
        {
            await Eventually.HoldsAsync(
                "it says that it is full",
                async () => (await full.ReadinessAsync()).Contains("2 of 2 messages", StringComparison.Ordinal));
            using var refused = await full.PostAsync(Message());
            Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        }

        await using var higher = await StartReadyAsync(database, store, new() { ["Quarantine:MaxMessages"] = "3" });
        Assert.Equal([LoginOutcome.Quarantined], await higher.StoreAsync(Rejected("three")));
    }

    [Fact]
    public async Task Before_its_bound_the_service_is_ready_and_warns()
    {
        await using var database = await databases.CreateAsync();
        await using var service = await StartReadyAsync(database, settings: new() { ["Quarantine:MaxMessages"] = "10" });

        await service.StoreAsync([.. Enumerable.Range(0, 8).Select(_ => Rejected("x"))]);

        await Eventually.HoldsAsync("it is in the log", () => service.Logs.Lines.Any(line => line is { Level: LogLevel.Warning, EventId: 1402 }));
        await service.WaitUntilReadyAsync();
        Assert.StartsWith("""{"status":"ready","warnings":{"quarantine":"the quarantine fills up (8 of 10 messages""", await service.ReadinessAsync());
    }

    private static async Task<string> HeldAsync(PeopleSystem system)
    {
        var size = await system.Database.ScalarAsync<string>(Size);
        Assert.Equal(await system.Database.ScalarAsync<string>(Counted), size);
        return size;
    }
}
