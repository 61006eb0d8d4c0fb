using System.Text;
using Google.Protobuf;
using Grpc.Core;
using PiiMasking.SqsComponent.Protos;
using PiiMasking.Testing;

namespace PiiMasking.SqsComponent.Tests;

/// <summary>What apps publish through the sidecar.</summary>
public sealed class PublishTests(SqsEmulatorFixture sqs, SharedComponent shared) : ContractTest(sqs, shared)
{
    public static TheoryData<byte[]> Bodies => new(
        Encoding.UTF8.GetBytes("{\"text\": \"é\"}"),
        Encoding.UTF8.GetBytes("🌍 beyond the basic plane"),
        [0, 1, 2, 0xFF, 0xFE],
        Encoding.UTF8.GetBytes("a\u0001b"));

    [Theory]
    [MemberData(nameof(Bodies))]
    public async Task What_is_published_arrives_byte_for_byte(byte[] body)
    {
        var (queue, _) = await QueueAsync();
        var instance = await Component.InitAsync(Settings());
        var request = new PublishRequest
        {
            Topic = queue,
            Data = ByteString.CopyFrom(body),
            Metadata =
            {
                ["content-type"] = "application/json",
                ["traceparent"] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            },
        };

        await instance.Client.PublishAsync(request, instance.Headers, cancellationToken: Stopping);

        await using var stream = await instance.SubscribeAsync(queue);
        var one = Assert.Single((await stream.NextAsync()).Events);
        Assert.Equal(body, one.Body);
        Assert.Equal("application/json", one.Json.GetProperty("datacontenttype").GetString());
        Assert.Equal(request.Metadata["traceparent"], one.Json.GetProperty("traceparent").GetString());
    }

    [Fact]
    public async Task A_bulk_is_sent_but_for_the_entries_that_cannot_be()
    {
        var (queue, url) = await QueueAsync();
        var instance = await Component.InitAsync(Settings());
        var request = new BulkPublishRequest { Topic = queue };
        for (var i = 0; i < 25; i++)
            request.Entries.Add(new BulkMessageEntry { EntryId = $"entry {i}/é", Event = ByteString.CopyFromUtf8($"body {i}") });
        request.Entries.Add(new BulkMessageEntry { EntryId = "large", Event = ByteString.CopyFromUtf8(new string('x', (1 << 20) + 1)) });
        request.Entries.Add(new BulkMessageEntry { EntryId = "empty" });
        request.Entries.Add(new BulkMessageEntry { EntryId = "almost large", Event = ByteString.CopyFromUtf8(new string('x', 1 << 20)) });
        request.Entries.Add(new BulkMessageEntry { EntryId = "world", Event = ByteString.CopyFromUtf8("🌍") });

        var response = await instance.Client.BulkPublishAsync(request, instance.Headers, cancellationToken: Stopping);

        Assert.Equal(["empty", "large"], response.FailedEntries.Select(entry => entry.EntryId).Order());
        Assert.All(response.FailedEntries, entry => Assert.NotEmpty(entry.Error));
        Assert.Equal(new QueueDepth(27, 0), await Sqs.DepthAsync(url));
    }

    [Theory]
    [InlineData("no-such-queue", "body", StatusCode.NotFound)]
    [InlineData("no queue", "body", StatusCode.InvalidArgument)]
    [InlineData("queue", "", StatusCode.InvalidArgument)]
    public async Task What_can_never_be_sent_is_refused_with_a_reason(string topic, string body, StatusCode status)
    {
        var instance = await Component.InitAsync(Settings());
        var request = new PublishRequest { Topic = topic, Data = ByteString.CopyFromUtf8(body) };

        var error = await Assert.ThrowsAsync<RpcException>(
            async () => await instance.Client.PublishAsync(request, instance.Headers, cancellationToken: Stopping));

        Assert.Equal(status, error.StatusCode);
        Assert.NotEmpty(error.Status.Detail);
    }

    [Fact]
    public async Task Missing_queues_are_made_when_that_was_asked_for()
    {
        var queue = SqsEmulatorFixture.UniqueName();
        var instance = await Component.InitAsync(Settings(("createQueues", "true")));

        await instance.Client.PublishAsync(
            new PublishRequest { Topic = queue, Data = ByteString.CopyFromUtf8("body") }, instance.Headers, cancellationToken: Stopping);

        await using var stream = await instance.SubscribeAsync(queue);
        Assert.Equal("body", (await stream.NextAsync()).Events[0].Text);
    }
}
