using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using CsCheck;
using PiiMasking.Contracts;
using PiiMasking.Logins;
using PiiMasking.Testing;

namespace PiiMasking.IngestionService.Tests;

/// <summary>Bodies, deliveries and headers that nobody should send: every message gets an outcome, and no request a 5xx.</summary>
public sealed class HostileBodiesTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 22, 10, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Each_of_the_corpus_is_a_login_or_a_rejection_as_it_says()
    {
        Assert.InRange(HostileBody.All.Count, 400, 4_000);
        Assert.Distinct(HostileBody.All.Select(hostile => hostile.Name));
        foreach (var hostile in HostileBody.All.Where(hostile => hostile.Attributes.Count == 0))
        {
            var entry = Entry.Batch("e", (Guid.NewGuid(), hostile.Body));
            var message = Assert.Single(MessageReader.Read(Received(entry), Now));

            Assert.Equal((hostile.Name, hostile.Expect), (hostile.Name, OutcomeOf(message)));
            Assert.Equal(hostile.Expect, OutcomeOf(MessageReader.ParsePayload(message.Payload)));
            if (message.Outcome is ParseOutcome.Accepted { Login: var login })
            {
                Assert.All(
                    hostile.Becomes, member => Assert.Equal((hostile.Name, Text(member.Value)), (hostile.Name, MemberOf(login, member.Key))));
            }
            else
            {
                Assert.Equal(hostile.Body, message.Payload.ToArray());
            }
        }
    }

    [Fact]
    public async Task Each_of_the_corpus_gets_its_outcome_however_it_is_delivered()
    {
        await using var ingestion = await RunningIngestion.StartAsync();
        var outcomes = new ConcurrentDictionary<string, int>();
        ingestion.Sidecar.Decide = message =>
        {
            outcomes.AddOrUpdate(message.Rejection?.Reason ?? "stored", 1, (_, count) => count + 1);
            return message.Login is null ? LoginOutcome.Quarantined : LoginOutcome.Stored;
        };

        // As a batch of the component, and as any broker would hand it over, with metadata that lies.
        foreach (var part in HostileBody.All.Where(hostile => hostile.Attributes.Count == 0).Chunk(50))
        {
            var batch = Entry.Batch("batch", [.. part.Select(hostile => (Guid.NewGuid(), hostile.Body))]);
            Entry[] bare = [.. part.Select((hostile, number) => new Entry($"{number}", hostile.Body, "application/json", HostileMetadata(number)))];
            var statuses = await ingestion.DeliverAsync([batch, .. bare, Entry.Bare("neighbour", A.Login())]);

            Assert.Equal(part.Length + 2, statuses.Count);
            Assert.All(statuses, status => Assert.Equal("SUCCESS", status.Value));
        }

        Assert.Equal(
            HostileBody.All.Where(hostile => hostile.Attributes.Count == 0).CountBy(hostile => hostile.Expect)
                .Where(reason => reason.Key != "stored").Select(reason => (reason.Key, reason.Value * 2)).Order(),
            outcomes.Where(outcome => outcome.Key != "stored").Select(outcome => (outcome.Key, outcome.Value)).Order());
    }

    /// <summary>Bytes of the corpus cut, joined, flipped and nested: whatever comes of it is a login or a rejection of the very bytes.</summary>
    [Fact]
    public void Whatever_is_made_of_the_corpus_gets_an_outcome()
    {
        Mutants.Sample(
            body =>
            {
                Entry[] forms =
                [
                    Entry.Batch("e", (Guid.NewGuid(), body)), new("e", body, "application/json"), new("e", body, MessageReader.BatchContentType),
                ];
                foreach (var entry in forms)
                {
                    foreach (var message in MessageReader.Read(Received(entry), Now))
                    {
                        Assert.NotEqual(Guid.Empty, message.MessageId);
                        if (message.Outcome is ParseOutcome.Accepted { Login: var login })
                            AssertCanonical(login);
                    }
                }
            },
            iter: MutantCount, threads: 1);
    }

    [Fact]
    public async Task Whatever_is_delivered_no_request_is_answered_5xx_and_none_404()
    {
        await using var ingestion = await RunningIngestion.StartAsync(
            "--Logging:LogLevel:Default=Information", "--Logging:LogLevel:Microsoft.AspNetCore=Information");
        var deliveries = HostileBody.All.Select(hostile => hostile.Body)
            .Concat(Deliveries.Array[300].Single());

        foreach (var body in deliveries)
        {
            using var content = new ByteArrayContent(body);
            using var answer = await ingestion.Http.PostAsync("/logins", content);
            var text = await answer.Content.ReadAsStringAsync();
            Assert.True(answer.StatusCode is HttpStatusCode.OK or HttpStatusCode.BadRequest, $"{answer.StatusCode} for {Convert.ToBase64String(body)}");
            Assert.NotEmpty(text);
        }

        Assert.Equal("""{"status":"alive"}""", await ingestion.Http.GetStringAsync("/healthz"));
    }

    /// <summary>The normaliser is ICU's: no code point of Unicode, alone, doubled or in a mix, makes it throw.</summary>
    [Fact]
    public void Every_code_point_makes_a_device_id_or_a_rejection()
    {
        for (var value = 0; value <= 0x10FFFF; value++)
        {
            if (!Rune.IsValid(value))
                continue;
            var text = new Rune(value).ToString();
            if (!CanonicalDeviceId.TryFormat($"a{text}\u0301{text}", out var canonical, out _))
                continue;
            Assert.True(CanonicalDeviceId.TryFormat(canonical, out var again, out _), $"U+{value:X}");
            Assert.Equal(canonical, again);
        }
    }

    /// <summary>MUTANTS makes more of them; TESTING.md has the long run.</summary>
    private static int MutantCount => int.Parse(Environment.GetEnvironmentVariable("MUTANTS") ?? "20000", CultureInfo.InvariantCulture);

    private static Gen<byte[]> OneOfTheCorpus { get; } = Gen.OneOf(
        [.. HostileBody.All.Where(hostile => hostile.Body.Length < 5_000).Select(hostile => Gen.Const(hostile.Body))]);

    private static Gen<byte[]> Mutants { get; } = Gen.Select(
        OneOfTheCorpus, OneOfTheCorpus,
        Gen.Int[0, 6], Gen.Double[0, 1], Gen.Double[0, 1], Gen.Byte,
        (one, other, how, from, to, with) =>
        {
            var (start, end) = ((int)(Math.Min(from, to) * one.Length), (int)(Math.Max(from, to) * one.Length));
            return how switch
            {
                0 => one[start..end],
                1 => [.. one[..start], .. one[end..]],
                2 => [.. one[..start], with, .. one[start..]],
                3 => [.. one[..start], .. other, .. one[start..]],
                4 => [.. one[..start], .. other[(int)(from * other.Length)..]],
                5 => [.. one.Select((value, at) => at == start ? (byte)(value ^ (1 << (with & 7))) : value)],
                _ => Encoding.UTF8.GetBytes(
                    $$"""{"specversion":"1.0","id":"{{with}}","source":"s","type":"t","data_base64":"{{Convert.ToBase64String(one)}}"}"""),
            };
        });

    /// <summary>Bulk deliveries of daprd's form with mutants in them, and mutants of bulk deliveries.</summary>
    private static Gen<byte[]> Deliveries { get; } = Gen.Select(
        Mutants, Gen.Int[0, 5], Gen.Double[0, 1],
        (body, how, at) =>
        {
            var delivery = Encoding.UTF8.GetBytes(RunningIngestion.Body(Entry.Batch("a", (Guid.NewGuid(), body)), new Entry("b", body, "x/y")));
            var place = (int)(at * delivery.Length);
            return how switch
            {
                0 => body,
                1 => delivery[..place],
                2 => [.. delivery[..place], .. body, .. delivery[place..]],
                3 => Encoding.UTF8.GetBytes($$"""{"entries": [{{Encoding.Latin1.GetString(body)}}]}"""),
                4 => [.. "{\"entries\": [{\"entryId\": \"x\", \"event\": "u8, .. body, .. "}]}"u8],
                _ => delivery,
            };
        });

    private static JsonObject? HostileMetadata(int number) => (number % 8) switch
    {
        0 => new JsonObject { ["__offset"] = "-1", ["__partition"] = "\u0000", ["__timestamp"] = "99999999999999999999" },
        1 => new JsonObject { ["__offset"] = "", ["__partition"] = "", ["__timestamp"] = "253402300799999", ["__topic"] = new string('t', 10_000) },
        2 => new JsonObject { ["metadata.SequenceNumber"] = "'; --", ["metadata.EnqueuedTimeUtc"] = "Fri, 31 Dec 9999 23:59:59 GMT" },
        3 => new JsonObject { ["metadata.SequenceNumber"] = "1", ["metadata.EnqueuedTimeUtc"] = "yesterday" },
        4 => new JsonObject { ["__offset"] = 7, ["__partition"] = new JsonArray(1), [""] = "x" },
        5 => new JsonObject { ["sqs-queue"] = "other", ["sqs-message-count"] = "-1", ["rawPayload"] = "false" },
        6 => [],
        _ => null,
    };

    private static void AssertCanonical(Login login)
    {
        Assert.True(CanonicalAddress.TryFormat(login.Ip.Expose(), out var ip) && ip == login.Ip.Expose());
        Assert.True(CanonicalDeviceId.TryFormat(login.DeviceId.Expose(), out var device, out _) && device == login.DeviceId.Expose());
        Assert.InRange(login.UserId.EnumerateRunes().Count(), 1, 128);
        Assert.DoesNotContain('\0', login.UserId + login.DeviceType + login.Locale);
    }

    private static ReceivedEntry Received(Entry entry) => new(entry.Event, entry.ContentType, new Dictionary<string, string>(), "login-queue");

    private static string OutcomeOf(IncomingMessage message) => OutcomeOf(message.Outcome);

    private static string OutcomeOf(ParseOutcome outcome) => outcome is ParseOutcome.Rejected rejected ? rejected.Reason.ToCode() : "stored";

    private static string? Text(JsonElement value) => value.ValueKind is JsonValueKind.Null ? null : value.ToString();

    private static string? MemberOf(Login login, string member) => member switch
    {
        "user_id" => login.UserId,
        "device_type" => login.DeviceType,
        "locale" => login.Locale,
        "ip" => login.Ip.Expose(),
        "device_id" => login.DeviceId.Expose(),
        "app_version" => login.AppVersion?.ToString(System.Globalization.CultureInfo.InvariantCulture),
        _ => throw new ArgumentOutOfRangeException(nameof(member)),
    };
}
