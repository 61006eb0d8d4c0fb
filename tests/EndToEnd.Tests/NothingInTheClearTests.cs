using System.Collections.Concurrent;
using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Npgsql;
using PiiMasking.AppHost;
using PiiMasking.Testing;

namespace PiiMasking.EndToEnd.Tests;

/// <summary>
/// Marked values, each of its own, go through the whole system in every way that a message can be right or wrong. Then whatever the system
/// has left anywhere is searched for the marks: database files and write-ahead log byte by byte, logs at debug level, traces, metrics, answers.
/// The queue itself is the producers' and is not searched.
/// </summary>
public sealed class NothingInTheClearTests : IAsyncDisposable
{
    private const int Messages = 3_000;
    private const int Kinds = 12;
    private const int RefusedEvery = 5 * Kinds;

    // Of this run only, so that nothing else can be taken for them.
    private readonly string mark = $"kn{RandomNumberGenerator.GetHexString(12, lowercase: true)}";
    private readonly string planted = $"pl{RandomNumberGenerator.GetHexString(12, lowercase: true)}";
    private readonly ushort[] network = [(ushort)RandomNumberGenerator.GetInt32(0x1000, 0xffff), (ushort)RandomNumberGenerator.GetInt32(0x1000, 0xffff)];
    private readonly ScratchFolder scratch = new();
    private readonly ConcurrentQueue<string> said = [];

    public ValueTask DisposeAsync()
    {
        scratch.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task No_personal_value_is_left_anywhere_but_masked_or_sealed()
    {
        await using var collector = await Collector.StartAsync();
        using var state = State.TakeFirst(scratch["state"]);
        var answers = new List<string>();
        await using (var system = await LocalSystem.StartAsync(
            new LocalSystemOptions { Debug = true, Environment = collector.Environment }, state, said.Enqueue, default))
        {
            // A row that Postgres refuses: its own log quotes it.
            await ExecuteAsync(system, "ALTER TABLE user_logins ADD CONSTRAINT is_not_odd CHECK (user_id NOT LIKE 'odd%')");

            var delivery = new Delivery(system.Queue, system.Database, TimeProvider.System);
            var result = await delivery.RunAsync(
                Enumerable.Range(0, Messages).Select(number => new Sample(Body(number))).ToAsyncEnumerable(), _ => { }, default);

            Assert.True(result.IsComplete, $"{result}");
            const int refused = Messages / RefusedEvery;
            Assert.Equal(((Messages / 3) - refused, (Messages * 2 / 3) + refused), (result.Fate.Stored, result.Fate.Quarantined));
            await WorkAsPeopleDoAsync(system, answers);
            await PlantAsync(system, state, collector);
        }

        AssertFindsWhatIsPlanted(state, collector);
        var scan = new Scan().Text(mark).Text($":{Group(0)}:{Group(1)}:").Text($":{Group(0)}:{Group(1)}:".ToUpperInvariant())
            .Raw("the network", Network()).Text("198.18.");
        string[] found =
        [
            .. scan.InFolder(state.Postgres), .. scan.InFolder(state.Logs),
            .. collector.Of("traces").Concat(collector.Of("metrics")).SelectMany(scan.In), .. answers.SelectMany(answer => scan.In(Encoding.UTF8.GetBytes(answer))),
            .. said.SelectMany(line => scan.In(Encoding.UTF8.GetBytes(line))),
        ];
        Assert.True(found is [], string.Join('\n', found.Take(20)));
    }

    /// <returns>One message of its kind: the first four become rows, the others go to quarantine.</returns>
    private string Body(int number)
    {
        var (device, v4, v6) = ($"{mark}-{number}", $"198.18.{number >> 8}.{number & 255}", V6(number));
        var user = number % RefusedEvery == 0 ? $"odd-{number}" : $"user-{number}";
        return (number % Kinds) switch
        {
            0 => A.Login(user, ip: v4, deviceId: device),
            1 => A.Login(user, ip: v6.ToUpperInvariant(), deviceId: $" {device} e\u0301 "),
            2 => Envelope(A.Login(user, ip: v6, deviceId: device), device),
            3 => A.Login(user, ip: $"::ffff:{v4}", deviceId: device, with: login => login[device] = new JsonArray(v6, device)),
            4 => A.Login(device, ip: v4, deviceId: device)[..^1],
            5 => A.Login(device, ip: device, deviceId: v6),
            6 => A.Login(user, ip: v6, deviceId: device + new string('x', 200)),
            7 => A.Login(with: login => (login["ip"], login["device_id"]) = (new JsonArray(v6), new JsonObject { [device] = v4 })),
            8 => A.Login(device + new string('x', 200), ip: v4, deviceId: device, appVersion: v6),
            9 => new JsonObject
            {
                ["Type"] = "Notification",
                ["MessageId"] = device,
                ["TopicArn"] = device,
                ["Subject"] = v6,
                ["Message"] = $"{device} {v4}",
            }.ToJsonString(),
            10 => A.Login(user, ip: v4, deviceId: device, appVersion: device, locale: device),
            _ => A.Login(user, ip: $"{v6}%eth0", deviceId: device, with: login => login["more"] = string.Concat(Enumerable.Repeat(device, 1_000))),
        };
    }

    private static string Envelope(string login, string value) => new JsonObject
    {
        ["specversion"] = "1.0",
        ["id"] = value,
        ["source"] = value,
        ["type"] = value,
        ["subject"] = value,
        ["time"] = value,
        ["data"] = JsonNode.Parse(login),
    }.ToJsonString();

    private string Group(int which) => network[which].ToString("x4", CultureInfo.InvariantCulture);

    private string V6(int number) => $"2001:db8:{Group(0)}:{Group(1)}:1::{(number + 1).ToString("x", CultureInfo.InvariantCulture)}";

    private byte[] Network() => Convert.FromHexString($"20010db8{Group(0)}{Group(1)}");

    /// <summary>Reveals, look-ups and replays, which are to show values to whoever asks and to nobody else; and requests that are wrong.</summary>
    private async Task WorkAsPeopleDoAsync(LocalSystem system, List<string> answers)
    {
        using var http = new HttpClient { BaseAddress = new Uri(system.PeopleAddress.GetLeftPart(UriPartial.Authority)) };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", system.People.NewToken(TimeProvider.System));

        async Task<string> PostAsync(string path, string body)
        {
            using var content = new StringContent(body, Encoding.UTF8, "application/json");
            using var answer = await http.PostAsync(new Uri(path, UriKind.Relative), content);
            return $"{(int)answer.StatusCode} {answer.Headers} {await answer.Content.ReadAsStringAsync()}";
        }

        await using var connection = new NpgsqlConnection(system.Database.OwnerConnectionString);
        await connection.OpenAsync();
        await using var anyToken = new NpgsqlCommand("SELECT masked_device_id FROM user_logins WHERE user_id = 'user-12'", connection);
        var token = (string)(await anyToken.ExecuteScalarAsync())!;
        await using var anyMessage = new NpgsqlCommand("SELECT message_id FROM quarantine WHERE reason = 'not_json' LIMIT 1", connection);
        var message = (Guid)(await anyMessage.ExecuteScalarAsync())!;

        // What is asked for is shown.
        Assert.Contains(mark, await PostAsync("/v1/reveal", JsonSerializer.Serialize(new { field = "device_id", tokens = new[] { token }, reason = "test" })));
        Assert.Contains(mark, await PostAsync($"/v1/quarantine/{message}/payload", """{"reason": "test"}"""));
        answers.Add(await PostAsync("/v1/logins/search", JsonSerializer.Serialize(new { field = "device_id", value = $"{mark}-12", reason = "test" })));
        answers.Add(await PostAsync("/v1/quarantine/replay", """{"all": true, "reason": "test"}"""));
        Assert.All(answers, answer => Assert.StartsWith("200", answer, StringComparison.Ordinal));

        // What is wrong is not quoted.
        answers.Add(await PostAsync("/v1/reveal", $$"""{"field": "device_id", "tokens": ["{{mark}}-12"], "reason": "test"}"""));
        answers.Add(await PostAsync("/v1/reveal", $$"""{"{{mark}}": "{{V6(1)}}"}"""));
        answers.Add(await PostAsync("/v1/reveal", $"{mark} {V6(1)}"));
        answers.Add(await PostAsync("/v1/logins/search", $$"""{"field": "{{mark}}", "value": "{{V6(1)}}", "reason": "test"}"""));
        answers.Add(await PostAsync("/v1/logins/search", $$"""{"field": "ip", "value": "{{mark}}", "reason": "test"}"""));
        answers.Add(await PostAsync("/v1/quarantine/replay", $$"""{"withReason": "{{mark}}", "messageId": "{{V6(1)}}"}"""));
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", mark);
        answers.Add(await PostAsync("/v1/reveal", "{}"));
    }

    /// <summary>Puts a mark of its own wherever is searched, in another form each time.</summary>
    private async Task PlantAsync(LocalSystem system, State state, Collector collector)
    {
        await ExecuteAsync(system, $"CREATE TABLE planted AS SELECT '{planted}'::text AS value");
        await ExecuteAsync(system, "CHECKPOINT");
        await File.WriteAllBytesAsync(Path.Combine(state.Logs, "planted-utf16"), Encoding.Unicode.GetBytes($"x{planted}x"));
        await File.WriteAllTextAsync(Path.Combine(state.Logs, "planted-hex"), Convert.ToHexString(Encoding.UTF8.GetBytes($"x{planted}x")));
        for (var before = 0; before < 3; before++)
        {
            var text = Convert.ToBase64String(Encoding.UTF8.GetBytes(new string('x', before) + planted + "y"));
            await File.WriteAllTextAsync(Path.Combine(state.Logs, $"planted-base64-{before}"), text);
        }

        using var http = new HttpClient();
        using var export = new StringContent($"attribute {planted}");
        using var taken = await http.PostAsync(new Uri($"{collector.Environment["OTEL_EXPORTER_OTLP_ENDPOINT"]}/v1/traces"), export);
        Assert.True(taken.IsSuccessStatusCode);
    }

    private void AssertFindsWhatIsPlanted(State state, Collector collector)
    {
        var scan = new Scan().Text(planted);
        var inDatabase = scan.InFolder(state.Postgres);
        Assert.Contains(inDatabase, place => place.StartsWith("base", StringComparison.Ordinal));
        Assert.Contains(inDatabase, place => place.StartsWith("pg_wal", StringComparison.Ordinal));
        Assert.Equal(
            ["planted-base64-0", "planted-base64-1", "planted-base64-2", "planted-hex", "planted-utf16"],
            scan.InFolder(state.Logs).Select(place => place.Split(':')[0]).Where(file => file.StartsWith("planted-", StringComparison.Ordinal))
                .Distinct().Order(StringComparer.Ordinal));
        Assert.Contains(collector.Of("traces"), export => scan.In(export).Any());

        // And there was something to search.
        string[] programs = ["MaskingService", "IngestionService", "SqsComponent"];
        Assert.All(programs, program => Assert.Contains(
            collector.Of("metrics"), export => export.AsSpan().IndexOf(Encoding.UTF8.GetBytes(program)) >= 0));
        Assert.Contains(collector.Of("traces"), export => export.AsSpan().IndexOf("/v1/logins"u8) >= 0);
        Assert.All(
            (string[])["masking", "ingestion", "component", "sidecar-ingestion", "sidecar-masking"],
            program => Assert.Contains("dbug:", File.ReadAllText(Path.Combine(state.Logs, $"{program}.log")), StringComparison.Ordinal));
    }

    private static async Task ExecuteAsync(LocalSystem system, string sql)
    {
        await using var connection = new NpgsqlConnection(system.Database.OwnerConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
