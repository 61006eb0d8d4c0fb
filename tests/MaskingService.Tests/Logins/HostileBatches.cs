using System.Net;
using System.Text;
using System.Text.Json;
using CsCheck;
using Microsoft.Extensions.DependencyInjection;
using PiiMasking.Contracts;
using PiiMasking.Logins;
using PiiMasking.MaskingService.Keys;
using PiiMasking.MaskingService.Quarantine;
using PiiMasking.MaskingService.Tests.People;
using PiiMasking.Testing;

namespace PiiMasking.MaskingService.Tests.Logins;

/// <summary>What ingestion makes of odd messages, and what it would never send: an outcome for every message, and never a 5xx.</summary>
public sealed class HostileBatches(MigratedDatabases databases)
{
    [Fact]
    public async Task Whatever_the_rules_let_through_the_table_takes_and_the_rest_is_sealed_byte_for_byte()
    {
        await using var database = await databases.CreateAsync();
        await using var service = await RunningService.StartReadyAsync(database);
        var sent = HostileBody.All.Select(hostile => (Hostile: hostile, Message: MessageOf(hostile))).ToArray();

        var outcomes = await service.StoreAsync([.. sent.Select(one => one.Message)]);

        Assert.All(sent.Zip(outcomes), pair => Assert.Equal(
            (pair.First.Hostile.Name, pair.First.Message.Login is null ? LoginOutcome.Quarantined : LoginOutcome.Stored),
            (pair.First.Hostile.Name, pair.Second)));
        var quarantine = service.Services.GetRequiredService<Keyring>().Current!.Quarantine;
        foreach (var (hostile, message) in sent)
        {
            if (message.Login is { } login)
            {
                Assert.Equal(login.UserId, await database.ScalarAsync<string>($"SELECT user_id FROM user_logins WHERE message_id = '{message.MessageId}'"));
                continue;
            }

            var row = await database.ScalarAsync<byte[]>($"SELECT sealed_payload FROM quarantine WHERE message_id = '{message.MessageId}'");
            Assert.Equal(message.Rejection!.Payload.ToArray(), QuarantineSeal.TryOpen(quarantine, message.MessageId, row));
            Assert.Equal(hostile.Body, message.Rejection.Payload.ToArray());
        }
    }

    [Fact]
    public async Task Ids_that_collide_lose_nothing_that_is_not_a_repeat()
    {
        await using var database = await databases.CreateAsync();
        await using var service = await RunningService.StartReadyAsync(database);
        var (one, other) = (Guid.NewGuid(), Guid.NewGuid());
        var nextDay = new DateTimeOffset(2026, 11, 23, 10, 0, 0, TimeSpan.Zero);

        Assert.Equal(
            [LoginOutcome.Stored, LoginOutcome.Repeated, LoginOutcome.Stored, LoginOutcome.Quarantined, LoginOutcome.Repeated, LoginOutcome.Stored],
            await service.StoreAsync(
                RunningService.Message(RunningService.Login(userId: "first"), one),
                RunningService.Message(RunningService.Login(userId: "second"), one),
                RunningService.Message(RunningService.Login(userId: "later"), one, nextDay),
                RunningService.Rejected("x", id: other),
                RunningService.Rejected("y", id: other),
                RunningService.Message(RunningService.Login(userId: "third"), other)));
        Assert.Equal("first", await database.ScalarAsync<string>($"SELECT user_id FROM user_logins WHERE message_id = '{one}' ORDER BY create_date LIMIT 1"));
    }

    [Fact]
    public async Task Whatever_is_posted_to_either_port_no_answer_is_5xx()
    {
        await using var system = await PeopleSystem.StartAsync(databases);
        string[] people = ["/v1/reveal", "/v1/logins/search", "/v1/quarantine/replay", $"/v1/quarantine/{Guid.NewGuid()}/delete"];
        var bodies = HostileBody.All.Select(hostile => hostile.Body).Where((_, number) => number % 4 == 0).Concat(Batches.Array[200].Single());

        foreach (var (body, number) in bodies.Select((body, number) => (body, number)))
        {
            await AssertAnsweredAsync(system.Service.App, LoginBatch.Route, body, token: null);
            await AssertAnsweredAsync(system.Service.People, people[number % people.Length], body, BearerToken.All);
        }

        Assert.True((await system.Service.App.GetAsync(new Uri("/readyz", UriKind.Relative))).IsSuccessStatusCode);
        Assert.DoesNotContain(system.Service.Logs.Lines, line => line.Level >= Microsoft.Extensions.Logging.LogLevel.Error);
    }

    /// <summary>Batches with a member of a wrong type, missing, or out of range; some of them broken JSON.</summary>
    private static Gen<byte[]> Batches { get; } = Gen.Select(
        Gen.OneOf(
            [.. new[] { "null", "1", "-1e400", "true", "\"\"", "\"x\"", "[]", "{}", "[[[]]]", "\"\\ud800\"", "\"\\u0000\"", "\"00000000-0000-0000-0000-000000000000\"", "\"not_json\"", "\"//79\"" }
                .Select(Gen.Const)]),
        Gen.Int[0, 12], Gen.Int[0, 3], Gen.Double[0, 1],
        (value, member, cut, at) =>
        {
            string[] values =
            [
                $"\"{Guid.NewGuid()}\"", "\"2026-11-22T10:00:00Z\"", "\"u\"", "\"android\"", "\"198.18.0.1\"", "\"d\"", "\"RU\"", "2003000", "\"not_json\"", "\"eA==\"",
            ];
            if (member < values.Length)
                values[member] = value;
            var login = $$"""{"userId":{{values[2]}},"deviceType":{{values[3]}},"ip":{{values[4]}},"deviceId":{{values[5]}},"locale":{{values[6]}},"appVersion":{{values[7]}}}""";
            var rejection = $$"""{"reason":{{values[8]}},"payload":{{values[9]}}}""";
            var message = $$"""{"messageId":{{values[0]}},"sentAt":{{values[1]}},{{(member is 8 or 9 ? $"\"rejection\":{rejection}" : $"\"login\":{(member == 10 ? value : login)}")}}}""";
            var text = Encoding.UTF8.GetBytes($$"""{"messages":{{(member == 11 ? value : member == 12 ? $"[{value}]" : $"[{message}]")}}}""");
            return cut == 0 ? text[..(int)(at * text.Length)] : text;
        });

    private static async Task AssertAnsweredAsync(HttpClient port, string path, byte[] body, string? token)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(path, UriKind.Relative)) { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new("application/json");
        if (token is not null)
            request.Headers.Authorization = new("Bearer", token);
        using var answer = await port.SendAsync(request);
        Assert.True(answer.StatusCode < HttpStatusCode.InternalServerError, $"{path} answered {answer.StatusCode} to {Convert.ToBase64String(body)}");
    }

    private static LoginMessage MessageOf(HostileBody hostile)
    {
        var entry = new ReceivedEntry(hostile.Body, "application/octet-stream", new Dictionary<string, string>(), "login-queue");
        var message = Assert.Single(MessageReader.Read(entry, new DateTimeOffset(2026, 11, 22, 10, 0, 0, TimeSpan.Zero)));
        // An envelope names its message; here each is one of its own.
        return message.Outcome is ParseOutcome.Accepted accepted
            ? new LoginMessage(Guid.NewGuid(), message.SentAt, accepted.Login, null)
            : new LoginMessage(Guid.NewGuid(), message.SentAt, null, new Rejection(((ParseOutcome.Rejected)message.Outcome).Reason.ToCode(), message.Payload));
    }
}
