using System.Net;
using System.Text.Json.Nodes;
using PiiMasking.MaskingService.Tests.People;
using static PiiMasking.MaskingService.Tests.RunningService;

namespace PiiMasking.MaskingService.Tests.LookUp;

public sealed class LookingUp(SharedPeopleSystem shared) : IClassFixture<SharedPeopleSystem>
{
    private readonly string me = $"seeker-{Guid.NewGuid():n}";
    private readonly PeopleSystem system = shared.System;

    [Theory]
    [InlineData("ip", "2001:DB8:0::4:1", "2001:db8::4:1", "d")]
    [InlineData("ip", " ::ffff:198.18.4.1 ", "198.18.4.1", "d")]
    [InlineData("device_id", "e\u0301-1", "198.18.4.2", "\u00e9-1")]
    public async Task A_value_in_any_spelling_finds_its_logins_on_the_record(string field, string spelled, string ip, string deviceId)
    {
        await system.StoreAsync("masked_ip", Message(Login(ip, deviceId, me)), Message(Login("198.18.4.99", "other", "somebody else")));

        var answer = await SearchAsync(new { field, value = spelled, reason = "why" });

        var found = Assert.Single(answer["logins"]!.AsArray())!;
        Assert.Equal((me, 1), ((string)found["userId"]!, (int)answer["total"]!));
        Assert.Equal((string)answer["token"]!, (string)found[field == "ip" ? "maskedIp" : "maskedDeviceId"]!);
        Assert.Equal(1, await system.RecordsAsync($"subject = '{me}' AND action = 'lookup' AND outcome = 'granted' AND charged = 1 AND length(fingerprints) = 37"));
        Assert.Equal(0, await system.RecordsAsync($"audit::text LIKE '%{ip}%'"));
        Assert.DoesNotContain(ip, system.Service.Logs.Everything, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Pages_go_from_the_newest_to_the_oldest_and_miss_none()
    {
        var sent = new DateTimeOffset(2026, 11, 22, 0, 0, 0, TimeSpan.Zero);
        await system.StoreAsync("masked_ip", [.. Enumerable.Range(0, 25).Select(i => Message(Login("198.18.5.5", userId: $"page-{i}"), sentAt: sent.AddDays(-i * 5)))]);

        var dates = new List<string>();
        string? cursor = null;
        do
        {
            var page = await SearchAsync(new { field = "ip", value = "198.18.5.5", reason = "why", limit = 10, cursor });
            dates.AddRange(page["logins"]!.AsArray().Select(login => (string)login!["createDate"]!));
            cursor = (string?)page["next"];
        }
        while (cursor is not null);

        Assert.Equal(25, dates.Count);
        Assert.Equal(dates.OrderDescending(StringComparer.Ordinal), dates);
    }

    [Theory]
    [InlineData("""{"field": "ip", "value": "canary", "reason": "r"}""", HttpStatusCode.UnprocessableEntity)]
    [InlineData("""{"field": "device_id", "value": " ", "reason": "r"}""", HttpStatusCode.UnprocessableEntity)]
    [InlineData("""{"field": "canary", "value": "198.18.0.1", "reason": "r"}""", HttpStatusCode.BadRequest)]
    [InlineData("""{"field": "ip", "value": null, "reason": "canary"}""", HttpStatusCode.BadRequest)]
    [InlineData("""{"field": "ip", "value": "198.18.0.1"}""", HttpStatusCode.BadRequest)]
    [InlineData("""{"field": "ip", "value": "198.18.0.1", "reason": "r", "cursor": "canary"}""", HttpStatusCode.BadRequest)]
    public async Task What_cannot_be_looked_up_is_refused_recorded_and_not_quoted(string body, HttpStatusCode expected)
    {
        using var response = await system.SendAsync(HttpMethod.Post, "/v1/logins/search", BearerToken.As(me), body);

        Assert.Equal(expected, response.StatusCode);
        Assert.DoesNotContain("canary", await response.Content.ReadAsStringAsync() + system.Service.Logs.Everything, StringComparison.Ordinal);
        Assert.Equal(1, await system.RecordsAsync($"subject = '{me}' AND action = 'lookup' AND outcome = 'refused'"));
    }

    [Fact]
    public async Task It_needs_a_scope_of_its_own()
    {
        using var response = await system.PostAsync("/v1/logins/search", new { field = "ip", value = "198.18.0.1", reason = "r" }, BearerToken.For(me, "pii.reveal"));

        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
    }

    private async Task<JsonNode> SearchAsync(object body)
    {
        using var response = await system.PostAsync("/v1/logins/search", body, BearerToken.As(me));
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        return JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
    }
}
