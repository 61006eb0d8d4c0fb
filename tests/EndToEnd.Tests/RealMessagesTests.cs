using System.Text.Json;
using PiiMasking.AppHost;
using PiiMasking.Testing;

namespace PiiMasking.EndToEnd.Tests;

/// <summary>The messages of the field, in order: what the one who asked for this product will try first.</summary>
public sealed class RealMessagesTests(RunningSystem running)
{
    private static string[] Bodies { get; } = File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "data", "fetch-logins.jsonl"));

    [Fact]
    public async Task Ninety_nine_are_stored_and_one_is_in_quarantine_each_time_they_are_sent()
    {
        var before = await CountsAsync();

        var first = await running.DeliverAsync(Bodies.Select(body => new Sample(body)));

        Assert.True(first.IsComplete, $"{first}");
        Assert.Equal((99, 1), (first.Fate.Stored, first.Fate.Quarantined));
        Assert.Equal((99, 1), await CountsAsync() - before);

        var second = await running.DeliverAsync(Bodies.Select(body => new Sample(body)));

        // New messages are new logins; equal values find each other.
        Assert.True(second.IsComplete, $"{second}");
        Assert.Equal((198, 2), await CountsAsync() - before);
        var users = Logins().Select(login => login.GetProperty("user_id").GetString()!).ToList();
        Assert.Equal(99, await running.ScalarAsync<long>($"""
            SELECT count(*) FROM (
                SELECT user_id FROM user_logins WHERE user_id IN ({SqlList(users)})
                GROUP BY user_id HAVING count(*) >= 2 AND count(DISTINCT masked_ip) = 1 AND count(DISTINCT masked_device_id) = 1) AS twice
            """));
    }

    [Fact]
    public async Task Null_locales_are_null_and_versions_are_sortable_numbers()
    {
        await running.DeliverAsync(Bodies.Select(body => new Sample(body)));

        foreach (var login in Logins())
        {
            var row = $"FROM user_logins WHERE user_id = '{login.GetProperty("user_id").GetString()}'";
            var locale = await running.ScalarAsync<string>($"SELECT coalesce(min(locale), 'NULL') {row}");
            Assert.Equal(login.GetProperty("locale").GetString() ?? "NULL", locale);
            Assert.Equal(Number(login.GetProperty("app_version").GetString()!), await running.ScalarAsync<int>($"SELECT min(app_version) {row}"));
        }

        Assert.Equal(2_003_000, Number("2.3.0"));
    }

    [Fact]
    public async Task No_address_and_no_device_id_that_was_sent_is_in_any_output_at_debug_level()
    {
        await running.DeliverAsync(Bodies.Select(body => new Sample(body)));
        await running.DeliverAsync(
        [
            new(A.Login(ip: "canary-7f3a-address", deviceId: "canary-7f3a-device")),
            new("{\"ip\": \"canary-7f3a-address\", \"device_id\": \"canary-7f3a-device"),
        ]);

        var output = running.AllOutput();

        Assert.Contains("dbug:", output, StringComparison.Ordinal);
        Assert.DoesNotContain("canary-7f3a", output, StringComparison.Ordinal);
        Assert.All(
            Logins().SelectMany(login => new[] { login.GetProperty("ip").GetString()!, login.GetProperty("device_id").GetString()! }),
            value => Assert.DoesNotContain(value, output, StringComparison.Ordinal));
    }

    private static List<JsonElement> Logins() =>
        [.. Bodies.Select(body => JsonSerializer.Deserialize<JsonElement>(body)).Where(body => body.TryGetProperty("user_id", out _))];

    private static string SqlList(IEnumerable<string> values) => string.Join(", ", values.Select(value => $"'{value}'"));

    private static int Number(string version)
    {
        var parts = version.Split('.').Select(int.Parse).Append(0).Append(0).ToArray();
        return parts[0] * 1_000_000 + parts[1] * 1_000 + parts[2];
    }

    private async Task<Counts> CountsAsync() => new(
        await running.ScalarAsync<long>("SELECT count(*) FROM user_logins"), await running.ScalarAsync<long>("SELECT count(*) FROM quarantine"));

    private readonly record struct Counts(long Logins, long Quarantined)
    {
        public static (long, long) operator -(Counts later, Counts earlier) =>
            (later.Logins - earlier.Logins, later.Quarantined - earlier.Quarantined);
    }
}
