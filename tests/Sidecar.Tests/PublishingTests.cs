using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Dapr;
using Dapr.Client;
using Grpc.Core;

namespace PiiMasking.Sidecar.Tests;

/// <summary>dapr-contract B1 (the envelope made at publish time), E4, F2, F3, G5.</summary>
public sealed class PublishingTests
{
    private readonly CancellationToken stopping = TestContext.Current.CancellationToken;

    [Fact]
    public async Task JSON_is_wrapped_in_a_CloudEvent()
    {
        await using var publishing = await Publishing.StartAsync(stopping);

        await publishing.PostAsync(
            "t", """{"n":9007199254740993}""", "application/json",
            "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        var published = await publishing.NextAsync();

        var json = JsonDocument.Parse(published.Data.Memory).RootElement;
        Assert.Equal(("t", "pubsub", ""), (published.Topic, published.PubsubName, published.ContentType));
        Assert.Equal("""{"n":9007199254740993}""", json.GetProperty("data").GetRawText());
        Assert.Equal("application/json", Text(json, "datacontenttype"));
        Assert.Equal("1.0", Text(json, "specversion"));
        Assert.Equal("app", Text(json, "source"));
        Assert.Equal("com.dapr.event.sent", Text(json, "type"));
        Assert.Equal(("t", "pubsub"), (Text(json, "topic"), Text(json, "pubsubname")));
        Assert.True(Guid.TryParse(Text(json, "id"), out _));
        Assert.True(DateTimeOffset.TryParse(Text(json, "time"), out _));
        Assert.Equal("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Text(json, "traceparent"));
        Assert.Equal(Text(json, "traceparent"), Text(json, "traceid"));
        Assert.False(json.TryGetProperty("subject", out _) || json.TryGetProperty("expiration", out _));
    }

    [Theory]
    [InlineData(null, "hello", "data", "hello", "text/plain")]
    [InlineData("text/plain", "hello", "data", "hello", "text/plain")]
    [InlineData("application/json", "not json", "data", "not json", "application/json")]
    [InlineData("application/octet-stream", "hello", "data_base64", "aGVsbG8=", "application/octet-stream")]
    [InlineData("application/xml", "<a/>", "data", "<a/>", "application/xml")]
    public async Task The_content_type_decides_how_the_data_is_held(
        string? contentType, string body, string member, string value, string dataContentType)
    {
        await using var publishing = await Publishing.StartAsync(stopping);

        await publishing.PostAsync("t", body, contentType);
        var json = JsonDocument.Parse((await publishing.NextAsync()).Data.Memory).RootElement;

        Assert.Equal(value, Text(json, member));
        Assert.Equal(dataContentType, Text(json, "datacontenttype"));
    }

    [Fact]
    public async Task Metadata_overrides_what_the_event_says_and_goes_to_the_component()
    {
        await using var publishing = await Publishing.StartAsync(stopping);

        await publishing.PostAsync(
            "t?metadata.cloudevent.id=i&metadata.cloudevent.source=s&metadata.cloudevent.type=y&metadata.cloudevent.subject=u"
            + "&metadata.cloudevent.traceid=r&metadata.cloudevent.traceparent=p&metadata.cloudevent.tracestate=e&metadata.key=v",
            "x", null);
        var published = await publishing.NextAsync();

        var json = JsonDocument.Parse(published.Data.Memory).RootElement;
        Assert.Equal(("i", "s", "y", "u"), (Text(json, "id"), Text(json, "source"), Text(json, "type"), Text(json, "subject")));
        Assert.Equal(("r", "p", "e"), (Text(json, "traceid"), Text(json, "traceparent"), Text(json, "tracestate")));
        Assert.Equal("v", published.Metadata["key"]);
    }

    [Fact]
    public async Task A_CloudEvent_passes_through_with_its_own_attributes()
    {
        await using var publishing = await Publishing.StartAsync(stopping);

        await publishing.PostAsync("t", """{"id":"mine","source":"here","custom":1,"data":{"a":1.50}}""", "application/cloudevents+json");
        var json = JsonDocument.Parse((await publishing.NextAsync()).Data.Memory).RootElement;

        Assert.Equal(("mine", "here", "com.dapr.event.sent"), (Text(json, "id"), Text(json, "source"), Text(json, "type")));
        Assert.Equal(("t", "pubsub", "1.0"), (Text(json, "topic"), Text(json, "pubsubname"), Text(json, "specversion")));
        Assert.Equal((1, """{"a":1.50}"""), (json.GetProperty("custom").GetInt32(), json.GetProperty("data").GetRawText()));
    }

    [Fact]
    public async Task A_raw_payload_is_published_as_it_is()
    {
        await using var publishing = await Publishing.StartAsync(stopping);

        await publishing.PostAsync("t?metadata.rawPayload=true", "hello", "application/json");
        var published = await publishing.NextAsync();

        Assert.Equal("hello", published.Data.ToStringUtf8());
        Assert.Equal("true", published.Metadata["rawPayload"]);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_time_to_live_becomes_an_expiration_unless_the_component_sees_to_it(bool componentDoes)
    {
        await using var publishing = await Publishing.StartAsync(stopping, componentDoes ? ["MESSAGE_TTL"] : []);

        await publishing.PostAsync("t?metadata.ttlInSeconds=60", "x", null);
        var json = JsonDocument.Parse((await publishing.NextAsync()).Data.Memory).RootElement;

        Assert.Equal(!componentDoes, json.TryGetProperty("expiration", out var expiration));
        if (componentDoes)
            return;
        var lifetime = DateTimeOffset.Parse(expiration.GetString()!, null) - DateTimeOffset.Parse(Text(json, "time"), null);
        Assert.InRange(lifetime, TimeSpan.FromSeconds(59), TimeSpan.FromSeconds(61));
    }

    [Theory]
    [InlineData("pubsub/a/b/c", 204, null)]
    [InlineData("nope/t", 404, "ERR_PUBSUB_NOT_FOUND")]
    [InlineData("pubsub/", 404, "ERR_TOPIC_EMPTY")]
    [InlineData("pubsub/forbidden", 403, "ERR_PUBSUB_FORBIDDEN")]
    [InlineData("pubsub/a?metadata.rawPayload=perhaps", 400, "ERR_PUBSUB_REQUEST_METADATA")]
    public async Task The_answer_says_what_became_of_it(string target, int status, string? errorCode)
    {
        await using var publishing = await Publishing.StartAsync(stopping, metadata: "[{ name: allowedTopics, value: 'a,a/b/c' }]");

        foreach (var method in (HttpMethod[])[HttpMethod.Post, HttpMethod.Put])
        {
            using var request = new HttpRequestMessage(method, $"/v1.0/publish/{target}") { Content = new StringContent("x") };
            using var response = await publishing.Http.SendAsync(request, stopping);
            var body = await response.Content.ReadAsStringAsync(stopping);

            Assert.Equal(status, (int)response.StatusCode);
            if (errorCode is null)
            {
                Assert.Empty(body);
                continue;
            }

            var json = JsonDocument.Parse(body).RootElement;
            Assert.Equal(errorCode, Text(json, "errorCode"));
            Assert.NotEmpty(Text(json, "message"));
            Assert.Equal("dapr.io", Text(json.GetProperty("details")[0], "domain"));
            Assert.StartsWith("DAPR_PUBSUB_", Text(json.GetProperty("details")[0], "reason"), StringComparison.Ordinal);
            Assert.Equal("pubsub", Text(json.GetProperty("details")[1], "resource_type"));
        }
    }

    [Fact]
    public async Task A_component_that_refuses_makes_it_500()
    {
        await using var publishing = await Publishing.StartAsync(stopping, behave: behaviour => behaviour.PublishError = "full");

        using var response = await publishing.Http.PostAsync("/v1.0/publish/pubsub/t", new StringContent("x"), stopping);

        Assert.Equal(500, (int)response.StatusCode);
        Assert.Contains("ERR_PUBSUB_PUBLISH_MESSAGE", await response.Content.ReadAsStringAsync(stopping), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/v1.0/publish/bulk/pubsub/t")]
    [InlineData("/v1.0-alpha1/publish/bulk/pubsub/t")]
    public async Task A_bulk_is_published_one_by_one_to_a_component_that_knows_no_bulk(string path)
    {
        await using var publishing = await Publishing.StartAsync(stopping);

        using var response = await publishing.Http.PostAsync(path + "?metadata.m=request", Json("""
            [{"entryId":"1","event":"text","contentType":"text/plain"},
             {"entryId":"2","event":{"a":1},"contentType":"application/json","metadata":{"m":"entry"}},
             {"entryId":"3","event":"aGVsbG8=","contentType":"application/octet-stream"}]
            """), stopping);
        Dictionary<string, string> data = [];
        for (var i = 0; i < 3; i++)
        {
            var published = await publishing.NextAsync();
            var json = JsonDocument.Parse(published.Data.Memory).RootElement;
            var value = json.TryGetProperty("data", out var plain) ? plain.ToString() : Text(json, "data_base64");
            data[value] = published.Metadata["m"];
        }

        Assert.Equal(204, (int)response.StatusCode);
        Assert.Equal(
            [("""{"a":1}""", "entry"), ("aGVsbG8=", "request"), ("text", "request")],
            data.Select(pair => (pair.Key, pair.Value)).OrderBy(pair => pair.Value, StringComparer.Ordinal)
                .ThenBy(pair => pair.Key, StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_bulk_goes_in_one_call_to_a_component_that_knows_it_and_failed_entries_come_back()
    {
        await using var publishing = await Publishing.StartAsync(
            stopping, ["BULK_PUBSUB"], behave: behaviour => behaviour.FailingEntries.Add("2"));

        using var response = await publishing.Http.PostAsync("/v1.0/publish/bulk/pubsub/t?metadata.rawPayload=true", Json("""
            [{"entryId":"1","event":"a","contentType":"text/plain"},{"entryId":"2","event":"b","contentType":"text/plain"}]
            """), stopping);
        var bulk = await publishing.Component.BulkPublished.Reader.ReadAsync(stopping);

        Assert.Equal(["a", "b"], bulk.Entries.Select(entry => entry.Event.ToStringUtf8()));
        Assert.Equal(500, (int)response.StatusCode);
        var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync(stopping)).RootElement;
        Assert.Equal("ERR_PUBSUB_PUBLISH_MESSAGE", Text(json, "errorCode"));
        var failed = json.GetProperty("failedEntries")[0];
        Assert.Equal(("2", "refused"), (Text(failed, "entryId"), Text(failed, "error")));
    }

    [Theory]
    [InlineData("not json")]
    [InlineData("""[{"event":"a","contentType":"text/plain"}]""")]
    [InlineData("""[{"entryId":"1","event":"a"},{"entryId":"1","event":"b"}]""")]
    [InlineData("""[{"entryId":"1","event":{"a":1},"contentType":"text/plain"}]""")]
    [InlineData("""[{"entryId":"1","event":"%%%","contentType":"application/octet-stream"}]""")]
    public async Task A_bulk_that_cannot_be_read_is_400(string body)
    {
        await using var publishing = await Publishing.StartAsync(stopping);

        using var response = await publishing.Http.PostAsync("/v1.0/publish/bulk/pubsub/t", Json(body), stopping);

        Assert.Equal(400, (int)response.StatusCode);
        Assert.Contains("ERR_PUBSUB_EVENTS_SER", await response.Content.ReadAsStringAsync(stopping), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_SDK_publishes_objects_bytes_and_CloudEvents()
    {
        await using var publishing = await Publishing.StartAsync(stopping);
        using var client = publishing.Sidecar.Client();

        await client.PublishEventAsync("pubsub", "t", new { value = 1 }, stopping);
        var wrapped = JsonDocument.Parse((await publishing.NextAsync()).Data.Memory).RootElement;
        await client.PublishByteEventAsync("pubsub", "t", new byte[] { 1, 2 }, "application/octet-stream", cancellationToken: stopping);
        var bytes = JsonDocument.Parse((await publishing.NextAsync()).Data.Memory).RootElement;
        var cloudEvent = new CloudEvent<string>("data") { Type = "mine", Source = new Uri("urn:x") };
        await client.PublishEventAsync("pubsub", "t", cloudEvent, stopping);
        var own = JsonDocument.Parse((await publishing.NextAsync()).Data.Memory).RootElement;
        await client.PublishEventAsync("pubsub", "t", 5, new Dictionary<string, string> { ["rawPayload"] = "true" }, stopping);
        var raw = await publishing.NextAsync();

        Assert.Equal("""{"value":1}""", wrapped.GetProperty("data").GetRawText());
        Assert.Equal("AQI=", Text(bytes, "data_base64"));
        Assert.Equal("mine", Text(own, "type"));
        Assert.Equal("5", raw.Data.ToStringUtf8());
    }

    [Theory]
    [InlineData("nope", "t", StatusCode.InvalidArgument)]
    [InlineData("pubsub", "forbidden", StatusCode.PermissionDenied)]
    [InlineData("pubsub", "t", StatusCode.Internal)]
    public async Task The_SDK_sees_daprds_codes(string pubSub, string topic, StatusCode code)
    {
        await using var publishing = await Publishing.StartAsync(
            stopping, metadata: "[{ name: allowedTopics, value: t }]", behave: behaviour => behaviour.PublishError = "full");
        using var client = publishing.Sidecar.Client();

        var failed = await Assert.ThrowsAsync<DaprException>(() => client.PublishEventAsync(pubSub, topic, 1, stopping));

        Assert.Equal(code, Assert.IsType<RpcException>(failed.InnerException).StatusCode);
    }

    [Fact]
    public async Task The_SDKs_bulk_reports_failed_entries_of_a_component_that_knows_bulks()
    {
        await using var publishing = await Publishing.StartAsync(
            stopping, ["BULK_PUBSUB"], behave: behaviour => behaviour.FailingEntries.Add("1"));
        using var client = publishing.Sidecar.Client();

        var response = await client.BulkPublishEventAsync("pubsub", "t", new List<string> { "a", "b" }, cancellationToken: stopping);

        Assert.Equal(["1"], response.FailedEntries.Select(failed => failed.Entry.EntryId));
    }

    [Fact]
    public async Task The_SDKs_bulk_fails_as_a_whole_for_a_component_that_does_not()
    {
        await using var publishing = await Publishing.StartAsync(stopping, behave: behaviour => behaviour.PublishError = "full");
        using var client = publishing.Sidecar.Client();

        await Assert.ThrowsAsync<DaprException>(
            () => client.BulkPublishEventAsync("pubsub", "t", new List<string> { "a" }, cancellationToken: stopping));
    }

    [Fact]
    public async Task In_memory_pub_sub_goes_from_publisher_to_subscriber_and_comes_back_when_refused()
    {
        await using var app = await TestApp.StartAsync(stopping: stopping);
        app.Subscribes("""[{"pubsubname":"pubsub","topic":"t","route":"in"}]""");
        var calls = 0;
        app.On("/in", context =>
        {
            context.Response.StatusCode = Interlocked.Increment(ref calls) == 1 ? 500 : 200;
            return Task.CompletedTask;
        });
        using var setup = new Setup().App(app).InMemory();
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);
        await app.NextAsync(stopping);
        await Testing.Eventually.HoldsAsync("a published message arrives", async () =>
        {
            await sidecar.Http.PostAsync("/v1.0/publish/pubsub/t", new StringContent("hello"), stopping);
            return app.HasMore;
        }, stopping: stopping);

        var refused = await app.NextAsync(stopping);
        Asked again;
        do
            again = await app.NextAsync(stopping);
        while (Text(again.Json, "id") != Text(refused.Json, "id"));

        Assert.Equal("hello", Text(again.Json, "data"));
    }

    private static string Text(JsonElement json, string member) => json.GetProperty(member).GetString()!;

    private static StringContent Json(string body) => new(body, Encoding.UTF8, "application/json");

    private sealed class Publishing : IAsyncDisposable
    {
        private readonly Setup setup;
        private readonly CancellationToken stopping;

        private Publishing(Setup setup, TestComponent component, RunningSidecar sidecar, CancellationToken stopping)
        {
            this.setup = setup;
            Component = component;
            Sidecar = sidecar;
            this.stopping = stopping;
        }

        public TestComponent Component { get; }

        public RunningSidecar Sidecar { get; }

        public HttpClient Http => Sidecar.Http;

        public static async Task<Publishing> StartAsync(
            CancellationToken stopping, IReadOnlyList<string>? features = null, string metadata = "[]",
            Action<TestComponent.Behaviour>? behave = null)
        {
            var setup = new Setup().Pluggable(metadata: metadata);
            var component = await TestComponent.StartAsync(setup.Sockets, features: features, behave: behave);
            return new Publishing(setup, component, await RunningSidecar.StartAsync(setup, stopping), stopping);
        }

        public async Task PostAsync(string target, string body, string? contentType, string? header = null)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, $"/v1.0/publish/pubsub/{target}");
            request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
            if (contentType is not null)
                request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(contentType);
            if (header?.Split(": ") is [var name, var value])
                request.Headers.Add(name, value);
            using var response = await Http.SendAsync(request, stopping);
            Assert.Equal(204, (int)response.StatusCode);
        }

        public async Task<Protos.PublishRequest> NextAsync() => await Component.Published.Reader.ReadAsync(stopping);

        public async ValueTask DisposeAsync()
        {
            await Sidecar.DisposeAsync();
            await Component.DisposeAsync();
            setup.Dispose();
        }
    }
}
