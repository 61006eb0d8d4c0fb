using System.Collections.Concurrent;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace PiiMasking.Sidecar.Tests;

/// <summary>dapr-contract B1, B2, C1, E4 to E6: one message a call.</summary>
public sealed class SingleDeliveryTests
{
    private const string Event = """{"specversion":"1.0", "id":"m-1","source":"s","type":"t","data":{"n":9007199254740993}}""";

    private readonly CancellationToken stopping = TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_CloudEvent_reaches_the_app_byte_for_byte_with_its_metadata_as_headers()
    {
        await using var delivery = await DeliveryFixture.StartAsync(
            stopping, with: setup => setup.Environment("APP_API_TOKEN", "secret-token"));

        var id = await delivery.Stream.SendAsync(Event, new Dictionary<string, string>
        {
            ["Sqs-Message-Id"] = "m-1",
            ["traceparent"] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            ["content-language"] = "de",
            ["umlaut"] = "ä",
            ["dapr-api-token"] = "forged",
            ["content-type"] = "application/json",
            ["Content-Length"] = "3",
            ["connection"] = "close",
            ["te"] = "trailers",
            ["host"] = "elsewhere",
            ["grpc-trace-bin"] = "AAAA",
        });
        var delivered = await delivery.App.NextAsync(stopping);

        Assert.Equal(("POST", "/in"), (delivered.Method, delivered.Target));
        Assert.Equal(Event, delivered.Text);
        Assert.Equal("application/cloudevents+json", delivered.Headers["Content-Type"]);
        Assert.Equal("pubsub", delivered.Headers["pubsubname"]);
        Assert.Equal("m-1", delivered.Headers["sqs-message-id"]);
        Assert.Equal("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", delivered.Headers["traceparent"]);
        Assert.Equal("de", delivered.Headers["content-language"]);
        Assert.Equal("ä", delivered.Headers["umlaut"]);
        Assert.Equal("secret-token", delivered.Headers["dapr-api-token"]);
        Assert.Equal($"{Encoding.UTF8.GetByteCount(Event)}", delivered.Headers["Content-Length"]);
        Assert.StartsWith("127.0.0.1:", delivered.Headers["Host"], StringComparison.Ordinal);
        Assert.DoesNotContain(delivered.Headers.Keys, key => key.ToUpperInvariant() is "TE" or "CONNECTION" or "GRPC-TRACE-BIN");
        Assert.Equal(new Answer(id, null), await delivery.Stream.AnswerAsync(stopping));
    }

    [Fact]
    public async Task A_raw_message_is_wrapped_with_a_new_id_each_time()
    {
        await using var delivery = await DeliveryFixture.StartAsync(stopping, ""","metadata":{"RawPayload":"1"}""");

        byte[] data = [0, 255, 251, 190, (byte)'+', (byte)'\n'];
        var trace = new Dictionary<string, string> { ["traceid"] = "x", ["traceparent"] = "tp" };
        await delivery.Stream.SendAsync(data, trace, topicName: "its-own");
        var first = await delivery.App.NextAsync(stopping);
        await delivery.Stream.AnswerAsync(stopping);
        await delivery.Stream.SendAsync(data);
        var second = await delivery.App.NextAsync(stopping);
        await delivery.Stream.AnswerAsync(stopping);

        var json = first.Json;
        Assert.Equal("application/cloudevents+json", first.Headers["Content-Type"]);
        Assert.Equal(data, json.GetProperty("data_base64").GetBytesFromBase64());
        Assert.Equal("application/octet-stream", json.GetProperty("datacontenttype").GetString());
        Assert.Equal("Dapr", json.GetProperty("source").GetString());
        Assert.Equal("1.0", json.GetProperty("specversion").GetString());
        Assert.Equal("com.dapr.event.sent", json.GetProperty("type").GetString());
        Assert.Equal("its-own", json.GetProperty("topic").GetString());
        Assert.Equal("pubsub", json.GetProperty("pubsubname").GetString());
        Assert.Equal("tp", json.GetProperty("traceid").GetString());
        Assert.Equal("tp", json.GetProperty("traceparent").GetString());
        Assert.True(Guid.TryParse(json.GetProperty("id").GetString(), out _));
        Assert.NotEqual(json.GetProperty("id").GetString(), second.Json.GetProperty("id").GetString());
        Assert.Equal(
            ["data_base64", "datacontenttype", "id", "pubsubname", "source", "specversion", "topic", "type"],
            second.Json.EnumerateObject().Select(member => member.Name));
    }

    [Fact]
    public async Task A_binary_message_is_sent_as_it_is_although_it_is_labelled_a_CloudEvent()
    {
        await using var delivery = await DeliveryFixture.StartAsync(stopping);

        await delivery.Stream.SendAsync("not json", contentType: "application/octet-stream");
        var delivered = await delivery.App.NextAsync(stopping);

        Assert.Equal("not json", delivered.Text);
        Assert.Equal("application/cloudevents+json", delivered.Headers["Content-Type"]);
        Assert.Null((await delivery.Stream.AnswerAsync(stopping)).Error);
    }

    [Theory]
    [InlineData("not json")]
    [InlineData("[1]")]
    [InlineData("\"text\"")]
    [InlineData("{\"a\":1} {}")]
    [InlineData("")]
    public async Task What_is_no_JSON_object_never_reaches_the_app(string data)
    {
        await using var delivery = await DeliveryFixture.StartAsync(stopping);

        await delivery.Stream.SendAsync(data);

        Assert.Contains("deserializing", (await delivery.Stream.AnswerAsync(stopping)).Error, StringComparison.Ordinal);
        Assert.False(delivery.App.HasMore);
    }

    [Theory]
    [InlineData(200, "", true)]
    [InlineData(204, "", true)]
    [InlineData(200, "not json", true)]
    [InlineData(200, "{\"other\":1}", true)]
    [InlineData(200, "{\"status\":\"SUCCESS\"}", true)]
    [InlineData(202, "{\"Status\":\"DROP\"}", true)]
    [InlineData(404, "{\"status\":\"RETRY\"}", true)]
    [InlineData(200, "{\"status\":\"RETRY\"}", false)]
    [InlineData(200, "{\"status\":\"retry\"}", false)]
    [InlineData(200, "{\"status\":\"shipped\"}", false)]
    [InlineData(302, "", false)]
    [InlineData(400, "{\"status\":\"DROP\"}", false)]
    [InlineData(500, "{\"status\":\"SUCCESS\"}", false)]
    public async Task The_apps_answer_decides(int status, string body, bool isAcknowledged)
    {
        await using var delivery = await DeliveryFixture.StartAsync(stopping);
        delivery.App.On("/in", context =>
        {
            context.Response.Headers.Location = "/elsewhere";
            context.Response.StatusCode = status;
            return body.Length > 0 ? context.Response.WriteAsync(body) : Task.CompletedTask;
        });

        await delivery.Stream.SendAsync(Event);
        var answer = await delivery.Stream.AnswerAsync(stopping);

        Assert.Equal(isAcknowledged, answer.Error is null);
        Assert.Equal("/in", (await delivery.App.NextAsync(stopping)).Target);
        Assert.False(delivery.App.HasMore);
    }

    [Fact]
    public async Task A_broken_connection_gives_the_message_back()
    {
        await using var delivery = await DeliveryFixture.StartAsync(stopping);
        delivery.App.On("/in", context =>
        {
            context.Abort();
            return Task.CompletedTask;
        });

        await delivery.Stream.SendAsync(Event);

        Assert.NotNull((await delivery.Stream.AnswerAsync(stopping)).Error);
    }

    [Fact]
    public async Task An_illegal_header_in_the_metadata_gives_the_message_back()
    {
        await using var delivery = await DeliveryFixture.StartAsync(stopping);

        await delivery.Stream.SendAsync(Event, new Dictionary<string, string> { ["x"] = "a\r\nauthorization: b" });

        Assert.NotNull((await delivery.Stream.AnswerAsync(stopping)).Error);
        Assert.False(delivery.App.HasMore);
    }

    [Theory]
    [InlineData(500, "")]
    [InlineData(200, "{\"status\":\"RETRY\"}")]
    [InlineData(200, "{\"status\":\"DROP\"}")]
    [InlineData(404, "")]
    public async Task A_dead_letter_topic_gets_the_original_bytes_at_the_first_failure(int status, string body)
    {
        await using var delivery = await DeliveryFixture.StartAsync(
            stopping, ""","deadLetterTopic":"dead","metadata":{"rawPayload":"true"}""");
        delivery.App.On("/in", status, body);

        await delivery.Stream.SendAsync([1, 2, 3], new Dictionary<string, string> { ["a"] = "b" }, "text/x");
        var answer = await delivery.Stream.AnswerAsync(stopping);
        var dead = await delivery.Component.Published.Reader.ReadAsync(stopping);

        Assert.Null(answer.Error);
        Assert.Equal(("dead", "pubsub", ""), (dead.Topic, dead.PubsubName, dead.ContentType));
        Assert.Equal([1, 2, 3], dead.Data.ToByteArray());
        Assert.Equal(("b", "pubsub", "text/x"), (dead.Metadata["a"], dead.Metadata["pubsubName"], dead.Metadata["content-type"]));
    }

    [Fact]
    public async Task If_the_dead_letter_topic_fails_the_message_is_given_back()
    {
        await using var delivery = await DeliveryFixture.StartAsync(
            stopping, ""","deadLetterTopic":"dead" """, behave: behaviour => behaviour.PublishError = "full");
        delivery.App.On("/in", 500);

        await delivery.Stream.SendAsync(Event);

        Assert.NotNull((await delivery.Stream.AnswerAsync(stopping)).Error);
    }

    [Theory]
    [InlineData("2020-01-01T00:00:00Z", false)]
    [InlineData("2020-01-01T00:00:00+02:00", false)]
    [InlineData("2999-01-01T00:00:00Z", true)]
    [InlineData("tomorrow", true)]
    public async Task An_expired_event_is_acknowledged_without_a_call(string expiration, bool isDelivered)
    {
        await using var delivery = await DeliveryFixture.StartAsync(stopping);

        await delivery.Stream.SendAsync($$"""{"id":"1","data":{"expiration":"2020-01-01T00:00:00Z"},"expiration":"{{expiration}}"}""");

        Assert.Null((await delivery.Stream.AnswerAsync(stopping)).Error);
        Assert.Equal(isDelivered, delivery.App.HasMore);
    }

    [Fact]
    public async Task Messages_of_a_stream_are_handled_one_after_the_other()
    {
        await using var delivery = await DeliveryFixture.StartAsync(stopping);
        var release = new SemaphoreSlim(0);
        var atOnce = 0;
        var most = 0;
        delivery.App.On("/in", async context =>
        {
            most = Math.Max(most, Interlocked.Increment(ref atOnce));
            await release.WaitAsync(context.RequestAborted);
            Interlocked.Decrement(ref atOnce);
        });

        var ids = new List<string>();
        while (ids.Count < 3)
            ids.Add(await delivery.Stream.SendAsync(Event));
        await delivery.App.NextAsync(stopping);
        release.Release(3);
        foreach (var id in ids)
            Assert.Equal(id, (await delivery.Stream.AnswerAsync(stopping)).Id);

        Assert.Equal(1, most);
    }

    [Fact]
    public async Task By_environment_variable_they_are_handled_concurrently()
    {
        await using var delivery = await DeliveryFixture.StartAsync(
            stopping, with: setup => setup.Environment("SIDECAR_CONCURRENT_DISPATCH", "true"));
        var all = new CountdownEvent(3);
        var arrived = new TaskCompletionSource();
        delivery.App.On("/in", context =>
        {
            if (all.Signal())
                arrived.SetResult();
            return arrived.Task;
        });

        for (var i = 0; i < 3; i++)
            await delivery.Stream.SendAsync(Event);
        for (var i = 0; i < 3; i++)
            Assert.Null((await delivery.Stream.AnswerAsync(stopping)).Error);
    }

    [Fact]
    public async Task The_apps_concurrency_is_limited_by_its_flag()
    {
        await using var delivery = await DeliveryFixture.StartAsync(
            stopping, with: setup => setup.Environment("SIDECAR_CONCURRENT_DISPATCH", "true").Flag("app-max-concurrency", 2));
        var atOnce = 0;
        var seen = new ConcurrentBag<int>();
        var release = new SemaphoreSlim(0);
        delivery.App.On("/in", async context =>
        {
            seen.Add(Interlocked.Increment(ref atOnce));
            await release.WaitAsync(context.RequestAborted);
            Interlocked.Decrement(ref atOnce);
        });

        for (var i = 0; i < 5; i++)
            await delivery.Stream.SendAsync(Event);
        await Testing.Eventually.HoldsAsync("two calls are at work", () => Volatile.Read(ref atOnce) == 2, stopping: stopping);
        release.Release(5);
        for (var i = 0; i < 5; i++)
            await delivery.Stream.AnswerAsync(stopping);

        Assert.Equal(2, seen.Max());
    }

    [Fact]
    public async Task A_broken_stream_is_not_opened_again_and_publishing_goes_on()
    {
        await using var delivery = await DeliveryFixture.StartAsync(stopping);

        delivery.Stream.Break.SetResult();
        await delivery.Stream.Ended.Task.WaitAsync(stopping);

        // The broken stream may have taken its connection along; the next one is made on demand.
        await Testing.Eventually.EqualsAsync("publish's answer", 204, async () =>
        {
            using var published = await delivery.Sidecar.Http.PostAsync("/v1.0/publish/pubsub/x", new StringContent("y"), stopping);
            return (int)published.StatusCode;
        }, stopping: stopping);
        Assert.False(delivery.Component.HasMoreStreams);
    }

    [Fact]
    public async Task At_a_stop_the_component_is_paused_what_is_in_flight_is_answered_and_what_fails_is_not()
    {
        await using var delivery = await DeliveryFixture.StartAsync(
            stopping,
            ""","deadLetterTopic":"dead" """,
            // On a busy machine the pause, the answers and the drain may take longer than the five seconds that are the default.
            setup => setup.Environment("SIDECAR_CONCURRENT_DISPATCH", "true").Flag("dapr-graceful-shutdown-seconds", 60));
        var succeed = new TaskCompletionSource();
        var fail = new TaskCompletionSource();
        var calls = 0;
        delivery.App.On("/in", async context =>
        {
            var isFirst = Interlocked.Increment(ref calls) == 1;
            await (isFirst ? succeed : fail).Task;
            context.Response.StatusCode = isFirst ? 200 : 500;
        });
        await delivery.Stream.SendAsync(Event);
        await delivery.App.NextAsync(stopping);
        await delivery.Stream.SendAsync(Event);
        await delivery.App.NextAsync(stopping);

        var stopped = delivery.Sidecar.StopAsync();
        await Testing.Eventually.HoldsAsync("the component is paused", () => delivery.Component.Pauses == 1, stopping: stopping);
        succeed.SetResult();
        Assert.Null((await delivery.Stream.AnswerAsync(stopping)).Error);
        // The component has said that it is paused; that the sidecar has read it, nothing says.
        await Task.Delay(500, stopping);
        fail.SetResult();
        await stopped;
        await delivery.Stream.Ended.Task.WaitAsync(stopping);

        Assert.Equal(0, delivery.Stream.Answers.Reader.Count);
        Assert.Equal(0, delivery.Component.Published.Reader.Count);
        Assert.False(delivery.App.HasMore);
    }

    [Fact]
    public async Task A_drain_that_takes_too_long_is_cut()
    {
        await using var delivery = await DeliveryFixture.StartAsync(
            stopping, with: setup => setup.Flag("dapr-graceful-shutdown-seconds", 1));
        delivery.App.On("/in", context => Task.Delay(Timeout.InfiniteTimeSpan, context.RequestAborted));
        await delivery.Stream.SendAsync(Event);
        await delivery.App.NextAsync(stopping);

        await delivery.Sidecar.StopAsync();
        await delivery.Stream.Ended.Task.WaitAsync(stopping);

        Assert.Equal(0, delivery.Stream.Answers.Reader.Count);
    }

    [Fact]
    public async Task A_message_of_almost_four_mebibytes_passes_and_a_larger_one_breaks_the_stream()
    {
        await using var delivery = await DeliveryFixture.StartAsync(stopping, ""","metadata":{"rawPayload":"true"}""");

        await delivery.Stream.SendAsync(new byte[(4 << 20) - 100]);
        Assert.Null((await delivery.Stream.AnswerAsync(stopping)).Error);
        Assert.True((await delivery.App.NextAsync(stopping)).Body.Length > 5_000_000);
        Task tooLarge = delivery.Stream.SendAsync(new byte[4 << 20]);
        await delivery.Stream.Ended.Task.WaitAsync(stopping);
        await tooLarge.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);

        Assert.False(delivery.Component.HasMoreStreams);
    }
}
