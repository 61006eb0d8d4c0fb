using System.Globalization;
using System.Text.RegularExpressions;
using Amazon.SQS.Model;
using PiiMasking.Testing;

namespace PiiMasking.SqsComponent.Tests;

/// <summary>From the queue to the stream and back, over the real socket and a real emulator.</summary>
public sealed class DeliveryTests(SqsEmulatorFixture sqs, SharedComponent shared) : ContractTest(sqs, shared)
{
    [Fact]
    public async Task A_message_arrives_as_a_cloud_event_with_the_identity_and_time_that_the_queue_gave_it()
    {
        var (queue, url) = await QueueAsync();
        var instance = await Component.InitAsync(Settings());
        await using var stream = await instance.SubscribeAsync(queue);
        var before = DateTimeOffset.FromUnixTimeMilliseconds(TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds());
        var ids = await Sqs.SendAsync(url, ["{\"n\": 1.00}"]);

        var batch = await stream.NextAsync();

        Assert.Equal("application/cloudevents-batch+json", batch.Response.ContentType);
        Assert.Equal(queue, batch.Response.TopicName);
        Assert.All(batch.Response.Metadata.Keys, key => Assert.StartsWith("sqs-", key, StringComparison.Ordinal));
        var one = Assert.Single(batch.Events);
        Assert.Equal("1.0", one.Json.GetProperty("specversion").GetString());
        Assert.Equal(ids[0], one.Id);
        Assert.Equal($"sqs:{queue}", one.Json.GetProperty("source").GetString());
        Assert.Equal("aws.sqs.message", one.Json.GetProperty("type").GetString());
        Assert.Equal("application/octet-stream", one.Json.GetProperty("datacontenttype").GetString());
        var time = one.Json.GetProperty("time").GetString()!;
        Assert.Matches(new Regex(@"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\z"), time);
        Assert.InRange(DateTimeOffset.Parse(time, CultureInfo.InvariantCulture), before, before.AddSeconds(10));
        Assert.Equal("{\"n\": 1.00}", one.Text);

        await stream.AckAsync(batch);
        await HasDepthAsync(url, 0, 0);
    }

    [Fact]
    public async Task What_is_acknowledged_is_deleted_and_what_is_not_stays()
    {
        var (queue, url) = await QueueAsync();
        var ids = await Sqs.SendAsync(url, Enumerable.Range(0, 25).Select(i => $"body {i}"));
        var instance = await Component.InitAsync(Settings(("batchSize", "5")));
        await using var stream = await instance.SubscribeAsync(queue);

        var batches = await stream.TakeAsync(25);
        Assert.All(batches, batch => Assert.InRange(batch.Events.Count, 1, 5));
        Assert.Equal(batches.Count, batches.Select(batch => batch.Token).Distinct().Count());
        Assert.Equal(ids.Order(), batches.SelectMany(batch => batch.Ids).Order());

        await stream.AckAsync(batches[0]);
        await HasDepthAsync(url, 0, 25 - batches[0].Events.Count);
        foreach (var batch in batches.Skip(1))
            await stream.AckAsync(batch);
        await HasDepthAsync(url, 0, 0);
    }

    [Fact]
    public async Task A_single_message_goes_out_at_once()
    {
        var (queue, url) = await QueueAsync();
        var instance = await Component.InitAsync(Settings(("batchWait", "10s")));
        await using var stream = await instance.SubscribeAsync(queue);
        await Sqs.SendAsync(url, ["first"]);
        await stream.AckAsync(await stream.NextAsync());

        await Sqs.SendAsync(url, ["second"]);

        var batch = await stream.NextAsync(TimeSpan.FromSeconds(8));
        Assert.Equal("second", Assert.Single(batch.Events).Text);
    }

    [Fact]
    public async Task Under_load_batches_are_full()
    {
        var (queue, url) = await QueueAsync();
        await Sqs.SendAsync(url, Enumerable.Range(0, 2000).Select(i => $"body {i}"));
        var instance = await Component.InitAsync(Settings(("batchSize", "100"), ("batchWait", "1s")));
        await using var stream = await instance.SubscribeAsync(queue);

        var batches = await stream.TakeAndAckAsync(2000);

        Assert.Equal(2000, batches.SelectMany(batch => batch.Ids).Distinct().Count());
        Assert.Contains(batches, batch => batch.Events.Count == 100);
        Assert.True(batches.Count <= 30, $"{batches.Count} batches for 2000 messages");
        await HasDepthAsync(url, 0, 0);
    }

    [Theory]
    [InlineData("héllo, wörld 日本語")]
    [InlineData("\t\r\n <>&'\"\\ \u007f\u0080")]
    [InlineData("\uFEFF{\"bom\": true}")]
    [InlineData("not json at all {{{")]
    public async Task A_body_arrives_byte_for_byte(string body)
    {
        var (queue, url) = await QueueAsync();
        await Sqs.SendAsync(url, [body]);
        var instance = await Component.InitAsync(Settings());
        await using var stream = await instance.SubscribeAsync(queue);

        var batch = await stream.NextAsync();

        Assert.Equal(System.Text.Encoding.UTF8.GetBytes(body), Assert.Single(batch.Events).Body);
    }

    [Fact]
    public async Task The_queue_of_a_topic_may_have_another_name()
    {
        var (queue, url) = await QueueAsync();
        await Sqs.SendAsync(url, ["here"]);
        var instance = await Component.InitAsync(Settings());
        await using var stream = await instance.SubscribeAsync("logins-0", queue);

        var batch = await stream.NextAsync();

        Assert.Equal("logins-0", batch.Response.TopicName);
        Assert.Equal($"sqs:{queue}", batch.Events[0].Json.GetProperty("source").GetString());
    }

    [Theory]
    [InlineData("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true)]
    [InlineData("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false)]
    [InlineData("x\r\ndapr-caller-app-id: root", false)]
    public async Task A_trace_goes_on_when_the_producer_gave_a_valid_one(string traceParent, bool valid)
    {
        var (queue, url) = await QueueAsync();
        await Sqs.Client.SendMessageAsync(
            new SendMessageRequest(url, "traced")
            {
                MessageAttributes = new()
                {
                    ["traceparent"] = new MessageAttributeValue { DataType = "String", StringValue = traceParent },
                    ["authorization"] = new MessageAttributeValue { DataType = "String", StringValue = "forged" },
                },
            },
            Stopping);
        var instance = await Component.InitAsync(Settings());
        await using var stream = await instance.SubscribeAsync(queue);

        var batch = await stream.NextAsync();

        Assert.Equal(valid, batch.Events[0].Json.TryGetProperty("traceparent", out var got) && got.GetString() == traceParent);
        string[] metadata = valid ? ["sqs-message-count", "sqs-queue", "traceparent"] : ["sqs-message-count", "sqs-queue"];
        Assert.Equal(metadata, batch.Response.Metadata.Keys.Order());
        // Nobody collects spans in this component, so the app continues the producer's.
        Assert.Equal(valid ? traceParent : null, batch.Response.Metadata.GetValueOrDefault("traceparent"));
    }

    [Fact]
    public async Task Several_streams_of_one_queue_share_it()
    {
        var (queue, url) = await QueueAsync();
        var instance = await Component.InitAsync(Settings(("batchSize", "10")));
        await using var one = await instance.SubscribeAsync("logins-0", queue);
        await using var other = await instance.SubscribeAsync("logins-1", queue);
        // A stream that is opened late finds nothing left.
        await Eventually.HoldsAsync(
            "both are subscribed",
            () => Regex.Count(Component.LogText, $"Topic logins-[01] of .* is subscribed, from queue {queue}") == 2,
            stopping: Stopping);
        var ids = await Sqs.SendAsync(url, Enumerable.Range(0, 100).Select(i => $"body {i}"));

        var batches = new List<Batch>();
        while (batches.Sum(batch => batch.Events.Count) < 100)
        {
            foreach (var stream in (PullStream[])[one, other])
            {
                if (await stream.TryNextAsync(TimeSpan.FromSeconds(0.3)) is { } batch)
                    batches.Add(batch);
            }
        }

        Assert.Equal(ids.Order(), batches.SelectMany(batch => batch.Ids).Order());
        Assert.Equal(["logins-0", "logins-1"], batches.Select(batch => batch.Response.TopicName).Distinct().Order());
    }
}
