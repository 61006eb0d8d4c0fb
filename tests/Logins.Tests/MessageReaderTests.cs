using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using CsCheck;

namespace PiiMasking.Logins.Tests;

public class MessageReaderTests
{
    private const string Id = "5fea7756-0ea4-451a-a703-a558b933e274";
    private static readonly DateTimeOffset Now = new(2026, 11, 22, 20, 0, 0, TimeSpan.Zero);

    [Fact]
    public void A_batch_gives_each_message_its_identity_its_time_and_its_exact_bytes()
    {
        var body = Given.Utf8("  " + Given.Login + "\n");
        var batch = new JsonArray(Event(Id, body), Event("B3F0C1D2-0000-4000-8000-00000000000A", Given.Utf8("not json"), time: "2026-03-01T23:59:59.5+02:00"));

        var messages = ReadBatch(batch.ToJsonString());

        Assert.Equal(2, messages.Count);
        Assert.Equal(Guid.Parse(Id), messages[0].MessageId);
        Assert.Equal(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero), messages[0].SentAt);
        Assert.Equal("199.172.111.135", Given.Accepted(messages[0].Outcome).Ip.Expose());
        Assert.Equal(body, messages[0].Payload.ToArray());
        Assert.Equal(Guid.Parse("b3f0c1d2-0000-4000-8000-00000000000a"), messages[1].MessageId);
        Assert.Equal(new DateTimeOffset(2026, 3, 1, 21, 59, 59, 500, TimeSpan.Zero), messages[1].SentAt);
        Assert.Equal("not_json", Given.Rejected(messages[1].Outcome));
        Assert.Equal("not json", Encoding.UTF8.GetString(messages[1].Payload.Span));
    }

    [Fact]
    public void A_broken_element_is_a_rejection_of_its_own_and_its_neighbours_are_read()
    {
        string[] broken =
        [
            "1", "null", "[]", "\"text\"", "{}", "{\"id\":7,\"data\":{}}", "{\"id\":\"\",\"data\":{}}", "{\"id\":\"\\ud800\",\"data\":{}}",
            $$"""{"id":"{{Id}}","source":"q"}""",
            $$"""{"id":"{{Id}}","source":"q","data":null}""",
            $$"""{"id":"{{Id}}","source":"q","data_base64":5}""",
            $$"""{"id":"{{Id}}","source":"q","data_base64":"***"}""",
            $$"""{"id":"{{Id}}","source":"q","data_base64":"\ud800"}""",
            $$"""{"id":"{{Id}}","source":"q","data_base64":"e30=","data":{} }""",
            $$"""{"id":"{{Id}}","id":"x","source":"q","data":{{Given.Login}} }""",
            $$"""{"id":"{{Id}}","source":"q","data":"\ud800"}""",
            $$"""{"id":"{{Id}}","source":"q","data":{{new string('[', 5_000)}}{{new string(']', 5_000)}} }""",
        ];
        var good = Event(Id, Given.Utf8(Given.Login)).ToJsonString();

        var messages = ReadBatch("[" + string.Join(",", broken.Select(element => good + "," + element)) + "," + good + "]");

        Assert.Equal((2 * broken.Length) + 1, messages.Count);
        for (var at = 0; at < messages.Count; at++)
        {
            if (at % 2 == 0)
                Given.Accepted(messages[at].Outcome);
            else
                Given.Rejected(messages[at].Outcome);
        }

        Assert.Equal(broken[0], Encoding.UTF8.GetString(messages[1].Payload.Span));
        Assert.Equal(broken[8], Encoding.UTF8.GetString(messages[17].Payload.Span));
        Assert.Equal("envelope_without_data", Given.Rejected(messages[17].Outcome));
        Assert.Equal(Guid.Parse(Id), messages[17].MessageId);
        Assert.Equal("envelope_malformed", Given.Rejected(messages[1].Outcome));
        Assert.Equal("duplicate_member", Given.Rejected(messages[29].Outcome));
    }

    [Theory]
    [InlineData("[]", "batch_empty")]
    [InlineData(" [ ] ", "batch_empty")]
    [InlineData("{}", "batch_malformed")]
    [InlineData("", "batch_malformed")]
    [InlineData("[", "batch_malformed")]
    [InlineData("[{}", "batch_malformed")]
    [InlineData("[{}] x", "batch_malformed")]
    [InlineData("[{},]", "batch_malformed")]
    [InlineData("\uFEFF[]", "batch_malformed")]
    public void A_batch_that_is_none_is_one_rejection_with_all_its_bytes(string body, string reason)
    {
        var message = Assert.Single(ReadBatch(body));

        Assert.Equal(reason, Given.Rejected(message.Outcome));
        Assert.Equal(body, Encoding.UTF8.GetString(message.Payload.Span));
        Assert.NotEqual(Guid.Empty, message.MessageId);
    }

    [Fact]
    public void A_batch_of_more_elements_than_a_component_ever_makes_is_not_taken_apart()
    {
        var many = "[" + string.Join(',', Enumerable.Repeat("0", MessageReader.MaxBatch + 1)) + "]";

        Assert.Equal("batch_malformed", Given.Rejected(Assert.Single(ReadBatch(many)).Outcome));
    }

    [Theory]
    [InlineData("application/cloudevents-batch+json; charset=utf-8", true)]
    [InlineData("APPLICATION/CloudEvents-Batch+JSON", true)]
    [InlineData("application/cloudevents-batch+json-not", false)]
    [InlineData("application/json", false)]
    [InlineData("application/octet-stream", false)]
    [InlineData("", false)]
    [InlineData(null, false)]
    public void The_content_type_alone_makes_a_batch(string? contentType, bool isBatch)
    {
        var batch = new JsonArray(Event(Id, Given.Utf8(Given.Login))).ToJsonString();

        var message = Assert.Single(MessageReader.Read(Entry(batch, contentType), Now));

        Assert.Equal(isBatch, message.Outcome is ParseOutcome.Accepted);
        if (!isBatch)
            Assert.Equal("not_an_object", Given.Rejected(message.Outcome));
    }

    [Fact]
    public void A_cloud_event_alone_names_the_message_and_is_its_payload()
    {
        var asObject = $$"""{"specversion":"1.0","id":"{{Id}}","source":"app","type":"t","time":"2026-03-01T12:00:00Z","data":{{Given.Login}} }""";
        var asText = JsonSerializer.Serialize(new { specversion = "1.0", id = Id, source = "app", type = "t", time = "2026-03-01T12:00:00Z", data = Given.Login });
        var asBase64 = Event(Id, Given.Utf8(Given.Login)).ToJsonString();

        foreach (var body in new[] { asObject, asText, asBase64 })
        {
            var message = Assert.Single(Read(body));
            Assert.Equal(Guid.Parse(Id), message.MessageId);
            Assert.Equal(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero), message.SentAt);
            Given.Accepted(message.Outcome);
            Assert.Equal(body, Encoding.UTF8.GetString(message.Payload.Span));
            Given.Accepted(MessageReader.ParsePayload(message.Payload));
        }
    }

    [Fact]
    public void A_notification_names_the_message()
    {
        var body = Notification(Given.Login);

        var message = Assert.Single(Read(body));

        Assert.Equal(Guid.Parse(Id), message.MessageId);
        Assert.Equal(new DateTimeOffset(2026, 3, 1, 12, 0, 0, 123, TimeSpan.Zero), message.SentAt);
        Given.Accepted(message.Outcome);
    }

    [Fact]
    public void Envelopes_nest_and_only_the_outermost_names_the_message()
    {
        var inner = Event("00000000-0000-4000-8000-000000000001", Given.Utf8(Notification(Given.Login)), time: "1999-01-01T00:00:00Z").ToJsonString();

        var message = Assert.Single(ReadBatch(new JsonArray(Event(Id, Given.Utf8(inner))).ToJsonString()));

        Assert.Equal(Guid.Parse(Id), message.MessageId);
        Assert.Equal(2026, message.SentAt!.Value.Year);
        Assert.Equal(inner, Encoding.UTF8.GetString(message.Payload.Span));
        Given.Accepted(message.Outcome);
        Given.Accepted(MessageReader.ParsePayload(message.Payload));
    }

    [Theory]
    [InlineData(4, true)]
    [InlineData(5, false)]
    [InlineData(12, false)]
    public void Nesting_is_bounded(int envelopes, bool accepted)
    {
        var body = Given.Utf8(Given.Login);
        for (var around = 0; around < envelopes; around++)
            body = Given.Utf8(Event(Id, body).ToJsonString());

        foreach (var outcome in new[] { MessageReader.ParsePayload(body), Assert.Single(Read(Encoding.UTF8.GetString(body))).Outcome })
        {
            if (accepted)
                Given.Accepted(outcome);
            else
                Assert.Equal("envelopes_too_deep", Given.Rejected(outcome));
        }
    }

    [Theory]
    [InlineData("\"specversion\":\"1.0\"")]
    [InlineData("\"data\":\"x\",\"data_base64\":\"y\"")]
    [InlineData("\"Type\":\"Notification\",\"MessageId\":\"m\",\"TopicArn\":\"t\",\"Message\":\"m\"")]
    [InlineData("\"specversion\":\"1.0\",\"id\":\"i\",\"source\":\"s\",\"type\":\"t\",\"data\":{\"user_id\":\"other\",\"ip\":\"1.1.1.1\",\"device_id\":\"d\"}")]
    public void A_login_that_carries_members_of_an_envelope_stays_a_login(string members)
    {
        var message = Assert.Single(Read(Given.Login[..^1] + "," + members + "}"));
        Assert.Equal("u-1", Given.Accepted(message.Outcome).UserId);
        Assert.NotEqual(Guid.Parse(Id), message.MessageId);

        var broken = Assert.Single(Read(Given.LoginWith("ip", "5")[..^1] + "," + members + "}"));
        Assert.Equal("ip_not_text", Given.Rejected(broken.Outcome));
    }

    [Theory]
    [InlineData("{\"specversion\":\"1.0\",\"id\":\"i\",\"source\":\"s\",\"data\":{}}")]
    [InlineData("{\"specversion\":1,\"id\":\"i\",\"source\":\"s\",\"type\":\"t\",\"data\":{}}")]
    [InlineData("{\"specversion\":\"1.0\",\"id\":\"\",\"source\":\"s\",\"type\":\"t\",\"data\":{}}")]
    [InlineData("{\"Type\":\"SubscriptionConfirmation\",\"MessageId\":\"m\",\"TopicArn\":\"t\",\"Message\":\"m\"}")]
    [InlineData("{\"Type\":\"Notification\",\"MessageId\":\"m\",\"Message\":\"m\"}")]
    [InlineData("{\"Type\":\"Notification\",\"MessageId\":\"m\",\"TopicArn\":\"t\",\"Message\":{}}")]
    [InlineData("{\"Message\":\"m\"}")]
    public void Less_than_an_envelope_is_a_login_without_its_members(string body) =>
        Assert.Equal("user_id_missing", Given.Rejected(Assert.Single(Read(body)).Outcome));

    [Fact]
    public void An_id_that_is_no_uuid_is_hashed_with_its_source()
    {
        foreach (var id in new[] { "1", Id + " ", " " + Id, "{" + Id + "}", Id.Replace("-", ""), "+fea7756-0ea4-451a-a703-a558b933e274", "0xea7756-0ea4-451a-a703-a558b933e274" })
        {
            var message = Assert.Single(ReadBatch(new JsonArray(Event(id, Given.Utf8(Given.Login))).ToJsonString()));
            var digest = SHA256.HashData(Given.Utf8($"sqs/login-queue\0{id}"));
            Assert.Equal(new Guid(digest.AsSpan(0, 16), bigEndian: true), message.MessageId);
        }
    }

    [Fact]
    public void A_message_has_one_identity_in_every_delivery()
    {
        var body = new JsonArray(Event("order-7", Given.Utf8(Given.Login)), Event(Id, Given.Utf8("x"))).ToJsonString();

        Assert.Equal(ReadBatch(body).Select(m => (m.MessageId, m.SentAt)), ReadBatch(body).Select(m => (m.MessageId, m.SentAt)));
    }

    [Theory]
    [InlineData("2026-03-01T12:00:00Z", "2026-03-01T12:00:00.0000000")]
    [InlineData("2026-03-01t12:00:00z", "2026-03-01T12:00:00.0000000")]
    [InlineData("2026-03-01T12:00:00.123456789Z", "2026-03-01T12:00:00.1234567")]
    [InlineData("2026-03-01T12:00:00.5-11:30", "2026-03-01T23:30:00.5000000")]
    [InlineData("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.0000000")]
    [InlineData("9999-12-31T23:59:59Z", "9999-12-31T23:59:59.0000000")]
    [InlineData("2026-03-01T12:00:00", null)]
    [InlineData("2026-03-01 12:00:00Z", null)]
    [InlineData("2026-03-01", null)]
    [InlineData("2026-03-01T12:00Z", null)]
    [InlineData("2026-03-01T12:00:00.Z", null)]
    [InlineData("2026-03-01T12:00:00.5", null)]
    [InlineData("2026-03-01T12:00:00+02", null)]
    [InlineData("2026-03-01T12:00:00+0200", null)]
    [InlineData("2026-13-01T12:00:00Z", null)]
    [InlineData("2026-02-30T12:00:00Z", null)]
    [InlineData("2016-12-31T23:59:60Z", null)]
    [InlineData("0001-01-01T00:00:00+05:00", null)]
    [InlineData("1772366400", null)]
    [InlineData("", null)]
    [InlineData("yesterday", null)]
    public void The_time_is_rfc_3339_or_unknown(string time, string? utc)
    {
        var message = Assert.Single(ReadBatch(new JsonArray(Event(Id, Given.Utf8(Given.Login), time)).ToJsonString()));

        Assert.Equal(utc, message.SentAt?.ToString("yyyy-MM-ddTHH:mm:ss.fffffff", null));
        Assert.Equal(TimeSpan.Zero, message.SentAt?.Offset ?? TimeSpan.Zero);
    }

    [Fact]
    public void A_bare_login_is_named_by_its_broker_where_the_broker_does()
    {
        IncomingMessage Kafka(string offset, string timestamp = "1772366400000") => Assert.Single(MessageReader.Read(
            Entry(Given.Login, null, ("__topic", "logins"), ("__partition", "3"), ("__offset", offset), ("__timestamp", timestamp)), Now));

        Assert.Equal(Kafka("17").MessageId, Kafka("17").MessageId);
        Assert.NotEqual(Kafka("17").MessageId, Kafka("18").MessageId);
        Assert.Equal(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero), Kafka("17").SentAt);
        Assert.Null(Kafka("17", "-62135596800000").SentAt);
        Assert.Null(Kafka("17", "99999999999999999999").SentAt);

        var serviceBus = Assert.Single(MessageReader.Read(
            Entry(Given.Login, null, ("metadata.SequenceNumber", "9"), ("metadata.EnqueuedTimeUtc", "Sun, 01 Mar 2026 12:00:00 GMT")), Now));
        Assert.Equal(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero), serviceBus.SentAt);
    }

    [Fact]
    public void A_bare_login_that_nobody_names_gets_a_fresh_id_and_the_time_of_its_arrival()
    {
        var first = Assert.Single(Read(Given.Login));
        var second = Assert.Single(Read(Given.Login));

        Assert.NotEqual(first.MessageId, second.MessageId);
        Assert.Equal(Now, first.SentAt);
    }

    [Fact]
    public void Any_bytes_of_any_content_type_give_at_least_one_message()
    {
        var json = Gen.String[Gen.Char["{}[]\":,0 \\uidatsorceypvn_b64TM"], 0, 120];
        Gen.Select(Gen.OneOf(json, Gen.String), Gen.Bool).Sample(
            (body, batch) => Assert.NotEmpty(MessageReader.Read(Entry(body, batch ? MessageReader.BatchContentType : null), Now)),
            iter: 20_000);
    }

    [Fact]
    public void Any_damage_to_a_batch_gives_at_least_one_message()
    {
        var batch = Given.Utf8(new JsonArray(Event(Id, Given.Utf8(Notification(Given.Login))), Event("x", Given.Utf8(Given.Login))).ToJsonString());
        Gen.Select(Gen.Int[0, batch.Length - 1], Gen.Byte).Array[1, 4].Sample(
            edits =>
            {
                var damaged = batch.ToArray();
                foreach (var (at, value) in edits)
                    damaged[at] = value;
                Assert.NotEmpty(MessageReader.Read(new ReceivedEntry(damaged, MessageReader.BatchContentType, NoMetadata, "t"), Now));
            },
            iter: 20_000);
    }

    [Theory]
    [InlineData("\"id\":\"\\ud800\"")]
    [InlineData("\"source\":\"\\ud800\"")]
    [InlineData("\"time\":\"\\udfff\"")]
    [InlineData("\"specversion\":\"\\udfff\"")]
    [InlineData("\"data_base64\":\"\\udfff\"")]
    [InlineData("\"\\ud800\":\"\\udfff\"")]
    public void Unpaired_surrogates_anywhere_in_an_envelope_do_no_harm(string member)
    {
        string[] members =
        [
            "\"id\":\"i\"", "\"source\":\"s\"", "\"specversion\":\"1.0\"", "\"type\":\"t\"", "\"time\":\"2026-03-01T12:00:00Z\"", $"\"data_base64\":\"{Convert.ToBase64String(Given.Utf8(Given.Login))}\"",
        ];
        var name = member[..member.IndexOf(':')];
        var body = "{" + string.Join(",", members.Where(other => !other.StartsWith(name, StringComparison.Ordinal)).Append(member)) + "}";

        Assert.Single(Read(body));
        Assert.Single(ReadBatch($"[{body}]"));
        MessageReader.ParsePayload(Given.Utf8(body));
    }

    [Fact]
    public void Taking_a_message_out_of_a_batch_allocates_little()
    {
        var batch = Given.Utf8(new JsonArray([.. Enumerable.Range(0, 100).Select(_ => Event(Guid.NewGuid().ToString(), Given.Utf8(Given.Login)))]).ToJsonString());
        // Each is read once: what is in it is decoded where it stands.
        var entries = Enumerable.Range(0, 30).Select(_ => new ReceivedEntry(batch.ToArray(), MessageReader.BatchContentType, NoMetadata, "t")).ToArray();
        foreach (var entry in entries.AsSpan(10))
            MessageReader.Read(entry, Now);

        var before = GC.GetAllocatedBytesForCurrentThread();
        foreach (var entry in entries.AsSpan(0, 10))
            MessageReader.Read(entry, Now);
        var perMessage = (GC.GetAllocatedBytesForCurrentThread() - before) / 1_000;

        Assert.InRange(perMessage, 1, 600);
    }

    private static readonly Dictionary<string, string> NoMetadata = [];

    private static JsonObject Event(string id, byte[] body, string time = "2026-03-01T12:00:00Z") => new()
    {
        ["specversion"] = "1.0",
        ["id"] = id,
        ["source"] = "sqs/login-queue",
        ["type"] = "sqs.message",
        ["time"] = time,
        ["data_base64"] = Convert.ToBase64String(body),
    };

    private static string Notification(string message) => JsonSerializer.Serialize(new
    {
        Type = "Notification",
        MessageId = Id,
        TopicArn = "arn:aws:sns:us-east-1:000000000000:logins",
        Message = message,
        Timestamp = "2026-03-01T12:00:00.123Z",
        SignatureVersion = "1",
        Signature = "x",
    });

    private static ReceivedEntry Entry(string body, string? contentType, params (string Name, string Value)[] metadata) =>
        new(Given.Utf8(body), contentType, metadata.ToDictionary(pair => pair.Name, pair => pair.Value), "login-queue");

    private static IReadOnlyList<IncomingMessage> Read(string body) => MessageReader.Read(Entry(body, "application/octet-stream"), Now);

    private static IReadOnlyList<IncomingMessage> ReadBatch(string body) => MessageReader.Read(Entry(body, MessageReader.BatchContentType), Now);
}
