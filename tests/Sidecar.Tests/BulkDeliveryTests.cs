using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace PiiMasking.Sidecar.Tests;

/// <summary>dapr-contract B3, C3, C4: several messages a call.</summary>
public sealed class BulkDeliveryTests
{
    private const string Raw = ""","metadata":{"rawPayload":"true"},"bulkSubscribe":{"enabled":true,"maxMessagesCount":3}""";
    private const string Events = ""","bulkSubscribe":{"enabled":true,"maxMessagesCount":3}""";

    private static readonly string[] Immediate = ["BULK_SUBSCRIBE_IMMEDIATE"];

    private readonly CancellationToken stopping = TestContext.Current.CancellationToken;

    [Fact]
    public async Task Raw_entries_carry_the_bytes_in_base64()
    {
        await using var bulk = await StartAsync(Raw);
        bulk.App.On("/in", Answering("SUCCESS"));

        byte[] data = [251, 255, 190, 62];
        await bulk.Stream.SendAsync(data, new Dictionary<string, string> { ["sqs-message-id"] = "m-1" });
        var delivered = await bulk.App.NextAsync(stopping);

        var json = delivered.Json;
        var entry = json.GetProperty("entries").EnumerateArray().Single();
        Assert.Equal(("POST", "/in"), (delivered.Method, delivered.Target));
        Assert.Equal("application/json", delivered.Headers["Content-Type"]);
        Assert.Equal("pubsub", delivered.Headers["pubsubname"]);
        Assert.DoesNotContain("sqs-message-id", delivered.Headers.Keys);
        Assert.Equal("com.dapr.event.sent.bulk", json.GetProperty("type").GetString());
        Assert.Equal(("t", "pubsub"), (json.GetProperty("topic").GetString(), json.GetProperty("pubsubname").GetString()));
        Assert.Equal("pubsub", json.GetProperty("metadata").GetProperty("pubsubName").GetString());
        Assert.True(Guid.TryParse(json.GetProperty("id").GetString(), out _));
        Assert.True(Guid.TryParse(entry.GetProperty("entryId").GetString(), out _));
        Assert.Equal(Convert.ToBase64String(data), entry.GetProperty("event").GetString());
        Assert.Equal("m-1", entry.GetProperty("metadata").GetProperty("sqs-message-id").GetString());
        Assert.Equal("application/octet-stream", entry.GetProperty("contentType").GetString());
        Assert.Null((await bulk.Stream.AnswerAsync(stopping)).Error);
    }

    [Fact]
    public async Task Other_entries_are_CloudEvents_and_the_components_content_type_stays()
    {
        await using var bulk = await StartAsync(Events);
        bulk.App.On("/in", Answering("SUCCESS"));

        await bulk.Stream.SendAsync("""{"id":"1","data":9007199254740993}""");
        var plain = (await bulk.App.NextAsync(stopping)).Json.GetProperty("entries")[0];
        await bulk.Stream.AnswerAsync(stopping);
        await bulk.Stream.SendAsync("""{"id":"2"}""", contentType: "application/x");
        var typed = (await bulk.App.NextAsync(stopping)).Json.GetProperty("entries")[0];

        Assert.Equal("""{"id":"1","data":9007199254740992}""", plain.GetProperty("event").GetRawText());
        Assert.Equal("application/cloudevents+json", plain.GetProperty("contentType").GetString());
        Assert.Equal(JsonValueKind.Null, plain.GetProperty("metadata").ValueKind);
        Assert.Equal("application/x", typed.GetProperty("contentType").GetString());
    }

    [Theory]
    [InlineData("SUCCESS", true)]
    [InlineData("DROP", true)]
    [InlineData("RETRY", false)]
    [InlineData("", false)]
    [InlineData("success", false)]
    [InlineData("shipped", false)]
    public async Task Each_entry_is_answered_by_its_own_status(string status, bool isAcknowledged)
    {
        await using var bulk = await StartAsync(Raw);
        bulk.App.On("/in", Answering(status));

        await bulk.Stream.SendAsync("x");

        Assert.Equal(isAcknowledged, (await bulk.Stream.AnswerAsync(stopping)).Error is null);
    }

    [Theory]
    [InlineData(200, "", false)]
    [InlineData(200, "nothing", false)]
    [InlineData(200, "{}", false)]
    [InlineData(200, "{\"statuses\":[]}", false)]
    [InlineData(200, "{\"statuses\":[{\"entryId\":\"unknown\",\"status\":\"SUCCESS\"}]}", false)]
    [InlineData(404, "", true)]
    [InlineData(307, "", false)]
    [InlineData(500, "", false)]
    public async Task Without_statuses_the_whole_answer_decides(int status, string body, bool isAcknowledged)
    {
        await using var bulk = await StartAsync(Raw + ""","deadLetterTopic":null""");
        bulk.App.On("/in", status, body);

        await bulk.Stream.SendAsync("x");

        Assert.Equal(isAcknowledged, (await bulk.Stream.AnswerAsync(stopping)).Error is null);
    }

    [Fact]
    public async Task With_404_nothing_goes_to_the_dead_letter_topic()
    {
        await using var bulk = await StartAsync(Raw + ""","deadLetterTopic":"dead" """);
        bulk.App.On("/in", 404);

        await bulk.Stream.SendAsync("x");

        Assert.Null((await bulk.Stream.AnswerAsync(stopping)).Error);
        Assert.Equal(0, bulk.Component.Published.Reader.Count);
    }

    [Fact]
    public async Task What_came_during_a_call_is_the_next_batch_and_one_call_is_in_flight()
    {
        await using var bulk = await StartAsync(Raw, isConcurrent: true);
        var release = new SemaphoreSlim(0);
        bulk.App.On("/in", async context =>
        {
            await release.WaitAsync(context.RequestAborted);
            await Answering("SUCCESS")(context);
        });

        await bulk.Stream.SendAsync("1");
        var first = await bulk.App.NextAsync(stopping);
        for (var i = 2; i <= 5; i++)
            await bulk.Stream.SendAsync($"{i}");
        // The next ones are there when this unrelated message has come through the same stream's connection and back.
        await bulk.Sidecar.Http.PostAsync("/v1.0/publish/pubsub/x", new StringContent("y"), stopping);
        // And taken from there a moment later, which nothing says.
        await Task.Delay(500, stopping);
        Assert.False(bulk.App.HasMore);
        release.Release(3);
        var sizes = new List<int> { Count(first) };
        while (sizes.Sum() < 5)
            sizes.Add(Count(await bulk.App.NextAsync(stopping)));
        for (var i = 0; i < 5; i++)
            Assert.Null((await bulk.Stream.AnswerAsync(stopping)).Error);

        Assert.Equal([1, 3, 1], sizes);

        static int Count(Asked asked) => asked.Json.GetProperty("entries").GetArrayLength();
    }

    [Fact]
    public async Task Without_the_feature_a_batch_fills_or_waits_its_time()
    {
        await using var bulk = await StartAsync(
            ""","metadata":{"rawPayload":"true"},"bulkSubscribe":{"enabled":true,"maxMessagesCount":2,"maxAwaitDurationMs":3000}""",
            isConcurrent: true, features: []);
        bulk.App.On("/in", Answering("SUCCESS"));

        for (var i = 0; i < 3; i++)
            await bulk.Stream.SendAsync($"{i}");
        var full = await bulk.App.NextAsync(stopping);
        var partial = await bulk.App.NextAsync(stopping);

        Assert.Equal(2, full.Json.GetProperty("entries").GetArrayLength());
        Assert.Equal(1, partial.Json.GetProperty("entries").GetArrayLength());
    }

    [Fact]
    public async Task Serial_dispatch_makes_batches_of_one()
    {
        await using var bulk = await StartAsync(Raw);
        bulk.App.On("/in", Answering("SUCCESS"));

        for (var i = 0; i < 3; i++)
            await bulk.Stream.SendAsync($"{i}");

        for (var i = 0; i < 3; i++)
            Assert.Equal(1, (await bulk.App.NextAsync(stopping)).Json.GetProperty("entries").GetArrayLength());
    }

    [Fact]
    public async Task Entries_that_failed_go_to_the_dead_letter_topic_and_all_are_acknowledged()
    {
        await using var bulk = await StartAsync(Raw + ""","deadLetterTopic":"dead" """);
        bulk.App.On("/in", Answering("RETRY"));

        await bulk.Stream.SendAsync("x", new Dictionary<string, string> { ["a"] = "b" });
        var answer = await bulk.Stream.AnswerAsync(stopping);
        var dead = await bulk.Component.Published.Reader.ReadAsync(stopping);

        Assert.Null(answer.Error);
        Assert.Equal(("dead", "x", "b"), (dead.Topic, dead.Data.ToStringUtf8(), dead.Metadata["a"]));
    }

    [Fact]
    public async Task A_component_that_publishes_in_bulk_gets_the_dead_letters_in_one_call()
    {
        await using var bulk = await StartAsync(
            Raw + ""","deadLetterTopic":"dead" """, features: ["BULK_SUBSCRIBE_IMMEDIATE", "BULK_PUBSUB"]);
        bulk.App.On("/in", 500);

        await bulk.Stream.SendAsync("x", contentType: "text/x");
        var answer = await bulk.Stream.AnswerAsync(stopping);
        var dead = await bulk.Component.BulkPublished.Reader.ReadAsync(stopping);

        Assert.Null(answer.Error);
        Assert.Equal("dead", dead.Topic);
        Assert.Equal(("x", "text/x"), (dead.Entries.Single().Event.ToStringUtf8(), dead.Entries.Single().ContentType));
    }

    [Fact]
    public async Task A_dropped_entry_goes_to_the_dead_letter_topic_and_is_acknowledged_even_if_that_fails()
    {
        await using var bulk = await StartAsync(
            Raw + ""","deadLetterTopic":"dead" """, behave: behaviour => behaviour.PublishError = "full");
        bulk.App.On("/in", Answering("DROP"));

        await bulk.Stream.SendAsync("x");

        Assert.Null((await bulk.Stream.AnswerAsync(stopping)).Error);
    }

    [Fact]
    public async Task Odd_text_and_numbers_in_an_entry_do_no_harm()
    {
        await using var bulk = await StartAsync(Events);
        bulk.App.On("/in", Answering("SUCCESS"));

        await bulk.Stream.SendAsync([.. """{"a":"x"""u8, 0xff, .. "\",\"b\":\"\\ud800\",\"c\":1e999}"u8]);
        await bulk.Stream.AnswerAsync(stopping);
        var delivered = await bulk.App.NextAsync(stopping);

        Assert.Contains("\"event\":{\"a\":\"x\uFFFD\",\"b\":\"\\ud800\",\"c\":1e999}", delivered.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_entry_that_is_no_JSON_or_has_expired_is_settled_without_a_call()
    {
        await using var bulk = await StartAsync(Events);

        await bulk.Stream.SendAsync("not json");
        var broken = await bulk.Stream.AnswerAsync(stopping);
        await bulk.Stream.SendAsync("""{"expiration":"2020-01-01T00:00:00Z"}""");
        var expired = await bulk.Stream.AnswerAsync(stopping);

        Assert.NotNull(broken.Error);
        Assert.Null(expired.Error);
        Assert.False(bulk.App.HasMore);
    }

    private Task<DeliveryFixture> StartAsync(
        string subscription, bool isConcurrent = false, IReadOnlyList<string>? features = null,
        Action<TestComponent.Behaviour>? behave = null) => DeliveryFixture.StartAsync(
            stopping, subscription, setup => setup.Environment("SIDECAR_CONCURRENT_DISPATCH", isConcurrent ? "true" : "false"),
            features ?? Immediate, behave);

    private static Func<HttpContext, Task> Answering(string status) => context =>
    {
        using var request = JsonDocument.Parse((byte[])context.Items["body"]!);
        var statuses = request.RootElement.GetProperty("entries").EnumerateArray()
            .Select(entry => new { entryId = entry.GetProperty("entryId").GetString(), status })
            .ToArray();
        return context.Response.WriteAsJsonAsync(new { statuses });
    };
}
