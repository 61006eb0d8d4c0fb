using System.Net;
using System.Text.Json.Nodes;
using PiiMasking.Contracts;
using PiiMasking.MaskingService.Tests.People;
using static PiiMasking.MaskingService.Tests.RunningService;

namespace PiiMasking.MaskingService.Tests.Quarantine;

public sealed class EmptyingTheQuarantine(MigratedDatabases databases) : IAsyncLifetime
{
    private const string Good = """{"user_id": "u", "ip": "198.18.0.9", "device_id": "593-47-5928"}""";
    private const string StillBad = """{"user_id": "u", "ip": "300.18.0.9", "device_id": "593-47-5928"}""";

    private PeopleSystem system = null!;

    public async ValueTask InitializeAsync() => system = await PeopleSystem.StartAsync(databases);

    public ValueTask DisposeAsync() => system.DisposeAsync();

    [Fact]
    public async Task It_is_listed_newest_first_in_pages_and_without_payloads()
    {
        await system.Service.StoreAsync([.. Enumerable.Range(0, 7).Select(i => Rejected("canary", i < 5 ? "not_json" : "ip_missing"))]);

        var ids = new List<string>();
        string? cursor = null;
        do
        {
            var page = await PeopleSystem.JsonAsync(await system.GetAsync($"/v1/quarantine?limit=2&reason=not_json{(cursor is null ? "" : $"&cursor={cursor}")}"));
            Assert.DoesNotContain("canary", page.ToJsonString(), StringComparison.Ordinal);
            Assert.All(page["messages"]!.AsArray(), message => Assert.Equal(("not_json", 6), ((string)message!["reason"]!, (int)message["bytes"]!)));
            ids.AddRange(page["messages"]!.AsArray().Select(message => (string)message!["messageId"]!));
            cursor = (string?)page["next"];
        }
        while (cursor is not null);

        Assert.Equal(5, ids.Distinct().Count());
        using var bad = await system.GetAsync("/v1/quarantine?cursor=canary");
        Assert.Equal(HttpStatusCode.BadRequest, bad.StatusCode);
    }

    [Fact]
    public async Task A_payload_is_revealed_on_the_record_to_those_who_may()
    {
        var (text, binary) = (Rejected("canary: 198.18.3.3"), new LoginMessage(Guid.NewGuid(), null, null, new Rejection("not_json", new byte[] { 0xff, 0xfe })));
        await system.Service.StoreAsync(text, binary);

        var shown = await PeopleSystem.JsonAsync(await system.PostAsync($"/v1/quarantine/{text.MessageId}/payload", new { reason = "why" }));
        var bytes = await PeopleSystem.JsonAsync(await system.PostAsync($"/v1/quarantine/{binary.MessageId}/payload", new { reason = "why" }));
        using var unknown = await system.PostAsync($"/v1/quarantine/{Guid.NewGuid()}/payload", new { reason = "why" });
        using var reasonless = await system.PostAsync($"/v1/quarantine/{text.MessageId}/payload", new { });
        using var forbidden = await system.PostAsync($"/v1/quarantine/{text.MessageId}/payload", new { reason = "why" }, BearerToken.For("op", "pii.quarantine"));

        Assert.Equal(("canary: 198.18.3.3", "utf-8"), ((string)shown["payload"]!, (string)shown["encoding"]!));
        Assert.Equal(("//4=", "base64"), ((string)bytes["payload"]!, (string)bytes["encoding"]!));
        Assert.Equal(
            (HttpStatusCode.NotFound, HttpStatusCode.BadRequest, HttpStatusCode.Forbidden), (unknown.StatusCode, reasonless.StatusCode, forbidden.StatusCode));
        Assert.Equal(2, await system.RecordsAsync("action = 'quarantine_payload' AND outcome = 'granted' AND charged = 1 AND length(fingerprints) = 37"));
        Assert.Equal(3, await system.RecordsAsync("action = 'quarantine_payload' AND outcome = 'refused'"));
        Assert.DoesNotContain("canary", system.Service.Logs.Everything, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_payload_moved_to_another_row_does_not_open()
    {
        var (one, other) = (Rejected("one"), Rejected("other"));
        await system.Service.StoreAsync(one, other);
        await system.Database.ExecuteAsync(
            $"UPDATE quarantine SET sealed_payload = (SELECT sealed_payload FROM quarantine WHERE message_id = '{other.MessageId}') WHERE message_id = '{one.MessageId}'");

        using var response = await system.PostAsync($"/v1/quarantine/{one.MessageId}/payload", new { reason = "why" });

        Assert.Equal(HttpStatusCode.UnprocessableEntity, response.StatusCode);
    }

    [Fact]
    public async Task Replayed_twice_everything_that_is_good_now_is_stored_once_with_its_original_date()
    {
        var good = Enumerable.Range(0, 250).Select(_ => Rejected(Good, "ip_not_an_address")).ToArray();
        var bad = Rejected(StillBad, "envelope_malformed");
        var timeless = new LoginMessage(Guid.NewGuid(), null, null, new Rejection("not_json", System.Text.Encoding.UTF8.GetBytes(Good)));
        await system.Service.StoreAsync([.. good, bad, timeless]);
        await system.Database.ExecuteAsync($"UPDATE quarantine SET quarantined_at = '2026-10-05T23:00:00Z' WHERE message_id = '{timeless.MessageId}'");

        var first = await ReplayAsync(new { all = true, reason = "rules were fixed" });
        var second = await ReplayAsync(new { all = true });

        Assert.Equal("""{"stored":251,"repeated":0,"erased":0,"stayed":{"ip_not_an_address":1},"unreadable":0,"notNow":0}""", first);
        Assert.Equal("""{"stored":0,"repeated":0,"erased":0,"stayed":{"ip_not_an_address":1},"unreadable":0,"notNow":0}""", second);
        Assert.Equal(250, await system.Database.ScalarAsync<long>("SELECT count(DISTINCT message_id) FROM user_logins WHERE create_date = '2026-11-22'"));
        Assert.Equal(timeless.MessageId, await system.Database.ScalarAsync<Guid>("SELECT message_id FROM user_logins WHERE create_date = '2026-10-05'"));
        Assert.Equal("ip_not_an_address", await system.Database.ScalarAsync<string>("SELECT string_agg(reason, ',') FROM quarantine"));
        Assert.Equal(251, await system.Database.ScalarAsync<long>("SELECT sum(stored) FROM ledger WHERE source = 'replay'"));
        Assert.Equal(252, await system.Database.ScalarAsync<long>("SELECT accounted FROM ledger_totals"));
        Assert.Equal(
            "stored=251 repeated=0 erased=0 stayed=1 unreadable=0 not_now=0",
            await system.Database.ScalarAsync<string>("SELECT detail FROM audit WHERE action = 'quarantine_replay' AND outcome = 'completed' ORDER BY number LIMIT 1"));
    }

    [Fact]
    public async Task Two_replays_at_once_and_a_redelivery_store_each_message_once()
    {
        var good = Enumerable.Range(0, 300).Select(_ => Rejected(Good)).ToArray();
        await system.Service.StoreAsync(good);

        await Task.WhenAll(
            ReplayAsync(new { all = true }),
            ReplayAsync(new { withReason = "not_json" }),
            system.Service.StoreAsync([.. good.Reverse().Select(message => Message(id: message.MessageId))]));

        Assert.Equal(300, await system.Database.ScalarAsync<long>("SELECT count(*) FROM user_logins"));
        Assert.Equal(0, await system.Database.ScalarAsync<long>("SELECT count(*) FROM quarantine"));
    }

    [Fact]
    public async Task One_message_or_those_of_one_reason_can_be_replayed()
    {
        var (one, other, third) = (Rejected(Good), Rejected(Good), Rejected(Good, "ip_missing"));
        await system.Service.StoreAsync(one, other, third);

        Assert.StartsWith("""{"stored":1,""", await ReplayAsync(new { messageId = one.MessageId }), StringComparison.Ordinal);
        Assert.StartsWith("""{"stored":1,""", await ReplayAsync(new { withReason = "ip_missing" }), StringComparison.Ordinal);
        Assert.Equal(other.MessageId, await system.Database.ScalarAsync<Guid>("SELECT message_id FROM quarantine"));
        using var unclear = await system.PostAsync("/v1/quarantine/replay", new { });
        Assert.Equal(HttpStatusCode.BadRequest, unclear.StatusCode);
    }

    [Fact]
    public async Task What_the_database_refuses_stays_and_its_neighbours_leave()
    {
        await system.Database.ExecuteAsync("ALTER TABLE user_logins ADD CONSTRAINT nobody_is_refused CHECK (user_id <> 'refused')");
        await system.Service.StoreAsync([.. Enumerable.Range(0, 20).Select(i => Rejected(i == 7 ? Good.Replace("\"u\"", "\"refused\"", StringComparison.Ordinal) : Good))]);

        Assert.Equal("""{"stored":19,"repeated":0,"erased":0,"stayed":{"refused_by_storage":1},"unreadable":0,"notNow":0}""", await ReplayAsync(new { all = true }));

        Assert.Equal("refused_by_storage", await system.Database.ScalarAsync<string>("SELECT string_agg(reason, ',') FROM quarantine"));
    }

    [Fact]
    public async Task Deleting_needs_a_reason_and_is_recorded_with_it_or_not_done()
    {
        var message = Rejected("x");
        await system.Service.StoreAsync(message);
        var path = $"/v1/quarantine/{message.MessageId}/delete";

        using var reasonless = await system.PostAsync(path, new { ticket = "T" });
        await system.Database.ExecuteAsync("ALTER TABLE audit ADD CONSTRAINT broken CHECK (false) NOT VALID");
        using var unrecorded = await system.PostAsync(path, new { reason = "test data" });
        await system.Database.ExecuteAsync("ALTER TABLE audit DROP CONSTRAINT broken");
        Assert.Equal(1, await system.Database.ScalarAsync<long>("SELECT count(*) FROM quarantine"));
        using var deleted = await system.PostAsync(path, new { reason = "test data" });
        using var again = await system.PostAsync(path, new { reason = "test data" });

        Assert.Equal(
            [HttpStatusCode.BadRequest, HttpStatusCode.ServiceUnavailable, HttpStatusCode.OK, HttpStatusCode.NotFound],
            new[] { reasonless, unrecorded, deleted, again }.Select(response => response.StatusCode));
        Assert.Equal(0, await system.Database.ScalarAsync<long>("SELECT count(*) FROM quarantine"));
        Assert.Equal(1, await system.RecordsAsync($"action = 'quarantine_delete' AND outcome = 'granted' AND reason = 'test data' AND target = '{message.MessageId}'"));
    }

    private async Task<string> ReplayAsync(object body)
    {
        var answer = (await PeopleSystem.JsonAsync(await system.PostAsync("/v1/quarantine/replay", body))).AsObject();
        Assert.True(answer.Remove("auditRecord"), answer.ToJsonString());
        return answer.ToJsonString();
    }
}
