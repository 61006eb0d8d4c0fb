using System.Net;
using System.Text.Json.Nodes;
using PiiMasking.Testing;
using static PiiMasking.MaskingService.Tests.RunningService;

namespace PiiMasking.MaskingService.Tests.People;

public sealed class Revealing(MigratedDatabases databases, SharedPeopleSystem shared) : IClassFixture<SharedPeopleSystem>
{
    private readonly string me = $"reader-{Guid.NewGuid():n}";
    private readonly PeopleSystem system = shared.System;

    [Fact]
    public async Task Values_come_back_in_the_order_of_their_tokens_and_on_the_record()
    {
        var tokens = await system.StoreAsync("masked_ip", Message(Login("198.18.0.7", userId: "a")), Message(Login("2001:db8::7", userId: "b")));

        using var response = await system.PostAsync("/v1/reveal", new { field = "ip", tokens = tokens.Reverse(), reason = "fraud case", ticket = "CASE-7" }, BearerToken.As(me));
        var answer = JsonNode.Parse(await response.Content.ReadAsStringAsync())!;

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("no-store", response.Headers.CacheControl!.ToString());
        Assert.Equal(["2001:db8::7", "198.18.0.7"], answer["values"]!.AsArray().Select(value => (string)value!));
        Assert.Equal(
            $"{me}|tests|127.0.0.1|reveal|granted|ip|fraud case|CASE-7|2|2|74",
            await system.Database.ScalarAsync<string>(
                "SELECT concat_ws('|', subject, client, address, action, outcome, field, reason, ticket, tokens, charged, length(fingerprints)) "
                + $"FROM audit WHERE number = {answer["auditRecord"]}"));
        Assert.Equal(
            await system.Database.ScalarAsync<string>("SELECT key_id::text FROM key_generation"),
            await system.Database.ScalarAsync<string>($"SELECT key_ids FROM audit WHERE number = {answer["auditRecord"]}"));
    }

    [Fact]
    public async Task Tokens_that_do_not_open_are_refused_by_position()
    {
        var (ip, deviceId) = ((await system.StoreAsync("masked_ip", Message()))[0], (await system.StoreAsync("masked_device_id", Message()))[0]);
        string[] tokens = [ip, deviceId, "garbage", "", ip[..^4] + "AAAA", " " + ip, new string('A', 5000), ip];

        var refused = await PeopleSystem.JsonAsync(await system.PostAsync("/v1/reveal", new { field = "ip", tokens, reason = "r" }, BearerToken.As(me)));
        var partial = await PeopleSystem.JsonAsync(await system.PostAsync("/v1/reveal", new { field = "ip", tokens, reason = "r", partial = true }, BearerToken.As(me)));

        Assert.Equal(422, (int)refused["status"]!);
        Assert.Equal([1, 2, 3, 4, 5, 6], refused["positions"]!.AsArray().Select(position => (int)position!));
        Assert.DoesNotContain("198.18", refused.ToJsonString(), StringComparison.Ordinal);
        Assert.Equal(["198.18.0.1", null, null, null, null, null, null, "198.18.0.1"], partial["values"]!.AsArray().Select(value => (string?)value));
        Assert.Equal([1, 2, 3, 4, 5, 6], partial["refused"]!.AsArray().Select(position => (int)position!));
        Assert.Equal(1, await system.RecordsAsync($"subject = '{me}' AND outcome = 'refused' AND tokens = 8 AND charged = 0"));
        Assert.Equal(1, await system.RecordsAsync($"subject = '{me}' AND outcome = 'partial' AND tokens = 8 AND charged = 2"));
    }

    [Theory]
    [InlineData("""{"field": "canary", "tokens": ["x"], "reason": "r"}""")]
    [InlineData("""{"field": "ip", "tokens": [], "reason": "r"}""")]
    [InlineData("""{"field": "ip", "tokens": [null], "reason": "r"}""")]
    [InlineData("""{"field": "ip", "tokens": ["x"]}""")]
    [InlineData("""{"field": "ip", "tokens": ["x"], "reason": " "}""")]
    [InlineData("""{"field": "ip", "tokens": ["x"], "reason": "canary\u0000"}""")]
    [InlineData("""{"field": "ip", "tokens": ["x"], "reason": "canary\ud800"}""")]
    [InlineData("""{"field": "ip", "tokens": ["x"], "reason": "r", "ticket": "canary\n"}""")]
    [InlineData("""{"field": "ip", "tokens": ["x"], "reason": "r", "canary": 1}""")]
    [InlineData("""{"field": "ip", "tokens": ["x"], "tokens": ["y"], "reason": "canary"}""")]
    [InlineData("""{"field": "ip", "tokens": "canary"}""")]
    [InlineData("canary")]
    [InlineData("null")]
    [InlineData("")]
    public async Task A_body_that_is_no_good_gets_400_without_a_value_in_it_and_is_recorded(string body)
    {
        using var response = await system.SendAsync(HttpMethod.Post, "/v1/reveal", BearerToken.As(me), body);

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType!.MediaType);
        Assert.DoesNotContain("canary", await response.Content.ReadAsStringAsync() + system.Service.Logs.Everything, StringComparison.Ordinal);
        Assert.Equal(1, await system.RecordsAsync($"action = 'reveal' AND outcome = 'refused' AND subject = '{me}'"));
    }

    [Fact]
    public async Task A_thousand_tokens_are_answered_and_one_more_is_not()
    {
        var token = (await system.StoreAsync("masked_ip", Message()))[0];

        var answer = await PeopleSystem.JsonAsync(await system.PostAsync("/v1/reveal", new { field = "ip", tokens = Enumerable.Repeat(token, 1000), reason = "r" }, BearerToken.As(me)));
        using var tooMany = await system.PostAsync("/v1/reveal", new { field = "ip", tokens = Enumerable.Repeat(token, 1001), reason = "r" }, BearerToken.As(me));

        Assert.Equal(1000, answer["values"]!.AsArray().Count);
        Assert.Equal(HttpStatusCode.BadRequest, tooMany.StatusCode);
    }

    [Fact]
    public async Task Nothing_is_answered_while_the_audit_cannot_be_written()
    {
        await using var system = await PeopleSystem.StartAsync(databases);
        var token = (await system.StoreAsync("masked_ip", Message()))[0];
        var body = new { field = "ip", tokens = new[] { token }, reason = "r" };
        await system.Database.ExecuteAsync("ALTER TABLE audit RENAME TO audit_away");

        using var refused = await system.PostAsync("/v1/reveal", body, BearerToken.As(me));
        await system.Database.ExecuteAsync("ALTER TABLE audit_away RENAME TO audit");
        using var answered = await system.PostAsync("/v1/reveal", body, BearerToken.As(me));

        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        Assert.DoesNotContain("198.18", await refused.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, answered.StatusCode);
    }

    [Fact]
    public async Task No_more_plaintext_is_answered_than_is_on_record_whatever_is_killed_meanwhile()
    {
        await using var system = await PeopleSystem.StartAsync(databases);
        var token = (await system.StoreAsync("masked_ip", Message()))[0];
        var body = new { field = "ip", tokens = new[] { token }, reason = "r" };
        using var over = new CancellationTokenSource();
        var killing = Task.Run(async () =>
        {
            var random = new Random(5);
            while (!over.IsCancellationRequested)
            {
                // The pace of the faults, so that some calls get through between them; nothing waits for it.
                await Task.Delay(random.Next(5, 40), CancellationToken.None);
                await system.Database.ExecuteAsync(random.Next(3) switch
                {
                    0 => $"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{MigratedDatabases.People}' AND datname = current_database()",
                    1 => "ALTER TABLE audit ADD CONSTRAINT broken CHECK (false) NOT VALID",
                    _ => "ALTER TABLE audit DROP CONSTRAINT IF EXISTS broken",
                }).ContinueWith(_ => { }, TaskScheduler.Default);
            }
        });

        var answered = 0;
        await Parallel.ForEachAsync(Enumerable.Range(0, 500), new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (_, cancellation) =>
        {
            using var response = await system.PostAsync("/v1/reveal", body, BearerToken.As(me));
            if ((await response.Content.ReadAsStringAsync(cancellation)).Contains("198.18.0.1", StringComparison.Ordinal))
                Interlocked.Increment(ref answered);
            else
                Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        });
        await over.CancelAsync();
        await killing;

        var recorded = await system.RecordsAsync("action = 'reveal' AND outcome = 'granted'");
        Assert.InRange(answered, 20, recorded);
        Assert.Equal(recorded, await system.Database.ScalarAsync<long>("SELECT max(number) FROM audit"));
    }

    [Fact]
    public async Task Nothing_revealed_is_logged()
    {
        var token = (await system.StoreAsync("masked_ip", Message(Login("198.18.77.7"))))[0];

        using var response = await system.PostAsync("/v1/reveal", new { field = "ip", tokens = new[] { token, "x" }, reason = "canary-reason", partial = true }, BearerToken.As(me));

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.DoesNotContain("198.18.77.7", system.Service.Logs.Everything, StringComparison.Ordinal);
        Assert.DoesNotContain("canary-reason", system.Service.Logs.Everything, StringComparison.Ordinal);
    }
}
