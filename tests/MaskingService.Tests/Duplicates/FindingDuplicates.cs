using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using PiiMasking.Contracts;
using PiiMasking.MaskingService.Tests.People;
using PiiMasking.Testing;
using static PiiMasking.MaskingService.Tests.RunningService;

namespace PiiMasking.MaskingService.Tests.Duplicates;

public sealed class FindingDuplicates(MigratedDatabases databases)
{
    [Fact]
    public async Task Views_and_pages_tell_the_truth_about_the_values()
    {
        await using var system = await PeopleSystem.StartAsync(databases, new() { ["Duplicates:RefreshEvery"] = "00:00:00.2" });
        var random = new Random(3);
        var messages = Enumerable.Range(0, 600)
            .Select(_ => Message(Login($"198.18.0.{random.Next(200)}", $"device-{random.Next(400)}", $"user-{random.Next(20)}"), sentAt: TimeProvider.System.GetUtcNow().AddDays(-random.Next(60))))
            .ToArray();
        await system.Service.StoreAsync(messages);

        foreach (var (field, view, value) in new (string, string, Func<LoginMessage, string>)[]
        {
            ("ip", "duplicate_ips", message => message.Login!.Ip.Expose()),
            ("device_id", "duplicate_device_ids", message => message.Login!.DeviceId.Expose()),
        })
        {
            var exact = await system.Database.ScalarAsync<string[]>(
                $"SELECT array_agg(concat_ws('|', logins, users, first_seen, last_seen) ORDER BY concat_ws('|', logins, users, first_seen, last_seen) COLLATE \"C\") FROM {view}");
            Assert.Equal(Truth(messages, value), exact);
            foreach (var (window, days) in new (string, int?)[] { ("all", null), ("30d", 30), ("7d", 7), ("1d", 1) })
            {
                await Eventually.HoldsAsync($"{field} of {window} are counted", async () =>
                {
                    var since = TimeProvider.System.GetUtcNow().UtcDateTime.Date.AddDays(-(days ?? 9999));
                    var truth = Truth([.. messages.Where(message => message.SentAt!.Value.UtcDateTime.Date >= since)], value);
                    return Enumerable.SequenceEqual(truth, await ReadAllAsync(system, field, window));
                });
            }
        }
    }

    [Fact]
    public async Task The_age_is_in_the_answer_and_only_the_largest_groups_are_kept()
    {
        await using var system = await PeopleSystem.StartAsync(databases, new() { ["Duplicates:RefreshEvery"] = "00:00:00.2", ["Duplicates:MaxGroups"] = "100" });
        await system.Service.StoreAsync([.. Enumerable.Range(0, 150).SelectMany(i => Enumerable.Repeat(0, i == 77 ? 3 : 2).Select(_ => Message(Login($"198.18.1.{i}"))))]);

        JsonNode? page = null;
        await Eventually.HoldsAsync("they are counted", async () =>
            (long)(page = await PeopleSystem.JsonAsync(await system.GetAsync("/v1/duplicates?field=ip&window=all&limit=5")))["totalGroups"]! == 150);

        Assert.Equal(100, (long)page!["keptGroups"]!);
        Assert.Equal([3, 2, 2, 2, 2], page["groups"]!.AsArray().Select(group => (int)group!["logins"]!));
        Assert.InRange((double)page["ageSeconds"]!, 0, 60);
    }

    [Theory]
    [InlineData("field=canary&window=all")]
    [InlineData("window=all")]
    [InlineData("field=ip&window=2d")]
    [InlineData("field=ip&window=all&limit=0")]
    [InlineData("field=ip&window=all&limit=x")]
    [InlineData("field=ip&window=all&cursor=AAAA")]
    [InlineData("field=ip&window=all&cursor=MXwA")]
    public async Task What_is_not_understood_gets_400(string query)
    {
        await using var system = await PeopleSystem.StartAsync(databases);

        using var response = await system.GetAsync($"/v1/duplicates?{query}");

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType!.MediaType);
    }

    private static string[] Truth(LoginMessage[] messages, Func<LoginMessage, string> value) =>
        [.. messages.GroupBy(value)
            .Where(group => group.Count() > 1)
            .Select(group => string.Create(CultureInfo.InvariantCulture,
                $"{group.Count()}|{group.Select(message => message.Login!.UserId).Distinct().Count()}|{group.Min(Day)}|{group.Max(Day)}"))
            .Order(StringComparer.Ordinal)];

    private static string Day(LoginMessage message) => message.SentAt!.Value.UtcDateTime.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    private static async Task<string[]> ReadAllAsync(PeopleSystem system, string field, string window)
    {
        var groups = new List<JsonNode>();
        string? cursor = null;
        do
        {
            var page = await PeopleSystem.JsonAsync(
                await system.GetAsync($"/v1/duplicates?field={field}&window={window}&limit=50{(cursor is null ? "" : $"&cursor={cursor}")}"));
            groups.AddRange(page["groups"]!.AsArray()!);
            cursor = (string?)page["next"];
        }
        while (cursor is not null);

        Assert.Equal(groups.Select(group => (long)group["logins"]!).OrderDescending(), groups.Select(group => (long)group["logins"]!));
        return [.. groups.Select(group => $"{group["logins"]}|{group["users"]}|{group["firstSeen"]}|{group["lastSeen"]}").Order(StringComparer.Ordinal)];
    }
}
