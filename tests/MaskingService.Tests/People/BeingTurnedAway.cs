using System.Net;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Authorization;
using Microsoft.Extensions.DependencyInjection;
using PiiMasking.Testing;
using static PiiMasking.MaskingService.Tests.RunningService;

namespace PiiMasking.MaskingService.Tests.People;

public sealed class BeingTurnedAway(MigratedDatabases databases)
{
    private static readonly Dictionary<string, string?> QuickCount = new() { ["People:CountRefusalsFor"] = "00:00:00.3" };

    public static TheoryData<string, string?> BadTokens => new()
    {
        { "none", null },
        { "garbage", "garbage" },
        { "expired", BearerToken.For("alice", "pii.reveal", expiresIn: TimeSpan.FromMinutes(-5)) },
        { "without an end", BearerToken.For("alice", "pii.reveal", forever: true) },
        { "of another audience", BearerToken.For("alice", "pii.reveal", audience: "another") },
        { "of another issuer", BearerToken.For("alice", "pii.reveal", issuer: "https://issuer.example") },
        { "of another key", BearerToken.For("alice", "pii.reveal", key: RandomNumberGenerator.GetBytes(32)) },
        { "with alg none", BearerToken.For("alice", "pii.reveal", algorithm: "none") },
        { "with another algorithm", BearerToken.For("alice", "pii.reveal", algorithm: "HS512") },
        { "without a subject", BearerToken.For(null, "pii.reveal") },
        { "with an endless subject", BearerToken.For(new string('x', 300), "pii.reveal") },
        { "with a subject that is no text", BearerToken.For("alice\u0000", "pii.reveal") },
    };

    [Fact]
    public async Task A_bad_token_reveals_nothing_and_all_of_them_are_counted_in_one_record()
    {
        await using var system = await PeopleSystem.StartAsync(databases, QuickCount);
        var token = (await system.StoreAsync("masked_ip", Message()))[0];
        var bad = BadTokens.Select(row => row.Data).ToArray();

        foreach (var (kind, bearer) in bad)
        {
            using var response = await system.SendAsync(HttpMethod.Post, "/v1/reveal", bearer, new { field = "ip", tokens = new[] { token }, reason = "r" });
            Assert.True(response.StatusCode == HttpStatusCode.Unauthorized, kind);
            Assert.Equal("Bearer", response.Headers.WwwAuthenticate.ToString());
            Assert.Equal("application/problem+json", response.Content.Headers.ContentType!.MediaType);
        }

        await Eventually.EqualsAsync(
            "refusals on record", bad.Length,
            async () => (int)await system.Database.ScalarAsync<long>(
                "SELECT coalesce(sum(occurrences), 0) FROM audit WHERE action = 'reveal' AND detail = 'no_valid_token' AND subject IS NULL AND address = '127.0.0.1'"));
        Assert.Equal(0, await system.RecordsAsync("outcome = 'granted'"));
    }

    [Fact]
    public async Task A_token_without_the_scope_is_refused_and_recorded_at_once()
    {
        await using var system = await PeopleSystem.StartAsync(databases);

        using var reveal = await system.PostAsync("/v1/reveal", new { }, BearerToken.For("mallory", "pii.audit pii.revealed"));
        using var audit = await system.GetAsync("/v1/audit", BearerToken.For("mallory", "pii.reveal"));
        using var scp = await system.GetAsync("/v1/audit", BearerToken.For("mallory", "other pii.audit", scopeClaim: "scp"));

        Assert.Equal((HttpStatusCode.Forbidden, HttpStatusCode.Forbidden, HttpStatusCode.OK), (reveal.StatusCode, audit.StatusCode, scp.StatusCode));
        Assert.Equal(2, await system.RecordsAsync("subject = 'mallory' AND outcome = 'refused' AND detail = 'missing_scope' AND action IN ('reveal', 'audit')"));
    }

    [Fact]
    public async Task The_app_port_serves_no_people_whatever_token_they_have()
    {
        await using var system = await PeopleSystem.StartAsync(databases, QuickCount);

        using var response = await system.SendAsync(HttpMethod.Post, "/v1/reveal", BearerToken.All, new { }, system.Service.App);

        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
        await Eventually.EqualsAsync("record", 1L, () => system.RecordsAsync("detail = 'wrong_port' AND action = 'reveal'"));
    }

    [Fact]
    public async Task A_flood_without_tokens_neither_fills_the_audit_nor_delays_a_reveal()
    {
        await using var system = await PeopleSystem.StartAsync(databases, new() { ["People:CountRefusalsFor"] = "00:00:02" });
        var token = (await system.StoreAsync("masked_ip", Message()))[0];
        var body = new { field = "ip", tokens = new[] { token }, reason = "r" };
        using var over = new CancellationTokenSource();
        var refused = 0L;
        var flood = Task.WhenAll(Enumerable.Range(0, 8).Select(async _ =>
        {
            while (!over.IsCancellationRequested)
            {
                using var response = await system.SendAsync(HttpMethod.Post, "/v1/reveal", token: null, body);
                Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
                Interlocked.Increment(ref refused);
            }
        }));

        for (var i = 0; i < 50; i++)
        {
            using var response = await system.PostAsync("/v1/reveal", body);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }

        await over.CancelAsync();
        await flood;
        await Eventually.EqualsAsync(
            "refusals on record", refused, () => system.Database.ScalarAsync<long>("SELECT coalesce(sum(occurrences), 0) FROM audit WHERE detail = 'no_valid_token'"));
        Assert.InRange(await system.RecordsAsync("detail = 'no_valid_token'"), 1, 20);
    }

    [Fact]
    public async Task Whoever_asks_too_often_is_told_so_and_others_are_not_affected()
    {
        await using var system = await PeopleSystem.StartAsync(databases, new(QuickCount) { ["People:RequestsPerMinute"] = "5" });

        var statuses = new List<HttpStatusCode>();
        for (var i = 0; i < 8; i++)
        {
            using var response = await system.GetAsync("/v1/audit", BearerToken.As("hasty"));
            statuses.Add(response.StatusCode);
        }

        using var other = await system.GetAsync("/v1/audit", BearerToken.As("patient"));

        Assert.Equal(5, statuses.Count(status => status == HttpStatusCode.OK));
        Assert.Equal(3, statuses.Count(status => status == HttpStatusCode.TooManyRequests));
        Assert.Equal(HttpStatusCode.OK, other.StatusCode);
        await Eventually.EqualsAsync("refusals on record", 3L, () => system.Database.ScalarAsync<long>(
            "SELECT coalesce(sum(occurrences), 0) FROM audit WHERE subject = 'hasty' AND detail = 'rate_limited'"));
    }

    [Fact]
    public async Task A_days_budget_holds_over_replicas_and_what_exceeds_it_is_recorded()
    {
        await using var system = await PeopleSystem.StartAsync(databases, new() { ["People:TokensPerDay"] = "5" });
        var token = (await system.StoreAsync("masked_ip", Message()))[0];

        var statuses = new List<HttpStatusCode>();
        foreach (var count in (int[])[3, 3, 2, 1])
        {
            using var response = await system.PostAsync("/v1/reveal", new { field = "ip", tokens = Enumerable.Repeat(token, count), reason = "r" });
            statuses.Add(response.StatusCode);
        }

        Assert.Equal([HttpStatusCode.OK, HttpStatusCode.TooManyRequests, HttpStatusCode.OK, HttpStatusCode.TooManyRequests], statuses);
        Assert.Equal(2, await system.RecordsAsync("outcome = 'refused' AND detail = 'over_budget' AND charged = 0"));
        Assert.Equal(5, await system.Database.ScalarAsync<long>("SELECT sum(charged) FROM audit"));
    }

    [Fact]
    public async Task Without_an_integrity_keyset_people_are_told_why_and_logins_are_stored()
    {
        await using var database = await databases.CreateAsync();
        await using var store = await StoreWithKeysetsAsync();
        Assert.True(store.Secrets.TryRemove("integrity-keyset", out var keyset));
        await using var service = await StartReadyAsync(database, store);

        await Eventually.HoldsAsync("people are told what is missing", async () =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri("/v1/audit", UriKind.Relative));
            request.Headers.Authorization = new("Bearer", BearerToken.All);
            using var answer = await service.People.SendAsync(request);
            Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
            return (await answer.Content.ReadAsStringAsync()).Contains("integrity-keyset", StringComparison.Ordinal);
        });
        Assert.Equal([Contracts.LoginOutcome.Stored], await service.StoreAsync(Message()));
    }

    [Fact]
    public async Task An_integrity_keyset_of_other_data_is_not_taken()
    {
        await using var system = await PeopleSystem.StartAsync(databases);
        await using var store = await StoreWithKeysetsAsync();
        foreach (var name in (string[])["masking-keyset", "quarantine-keyset"])
            store.Secrets[name] = system.Service.Store.Secrets[name];

        await using var other = await StartReadyAsync(system.Database, store);
        await Eventually.HoldsAsync("it is refused", () => other.Logs.Everything.Contains("belongs to other data", StringComparison.Ordinal));

        using var answer = await system.SendAsync(HttpMethod.Get, "/v1/audit", BearerToken.All, client: other.People);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
    }

    [Fact]
    public async Task The_token_of_the_app_port_and_those_of_people_are_different_schemes()
    {
        await using var system = await PeopleSystem.StartAsync(databases);

        var policy = await system.Service.Services.GetRequiredService<IAuthorizationPolicyProvider>().GetPolicyAsync("Dapr");

        Assert.Equal(["Dapr"], policy!.AuthenticationSchemes);
    }
}
