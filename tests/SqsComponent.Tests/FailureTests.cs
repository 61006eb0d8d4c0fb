using System.Diagnostics;
using System.Globalization;
using Amazon.SQS.Model;
using PiiMasking.Testing;

namespace PiiMasking.SqsComponent.Tests;

/// <summary>What the app refuses, over the real socket and a real emulator.</summary>
public sealed class FailureTests(SqsEmulatorFixture sqs, SharedComponent shared) : ContractTest(sqs, shared)
{
    [Fact]
    public async Task A_refused_batch_is_kept_and_its_messages_come_again_one_by_one_after_a_while()
    {
        var (queue, url) = await QueueAsync();
        var ids = await Sqs.SendAsync(url, Enumerable.Range(0, 5).Select(i => $"body {i}"));
        var instance = await Component.InitAsync(Settings(("retryBackoffMin", "500ms")));
        await using var stream = await instance.SubscribeAsync(queue);
        var batches = await stream.TakeAsync(5);

        var watch = Stopwatch.StartNew();
        foreach (var refused in batches)
            await stream.NackAsync(refused);
        var first = await stream.NextAsync();

        // Not at once; how late it may be, the wait for it says.
        Assert.True(watch.ElapsedMilliseconds >= 490, $"after {watch.ElapsedMilliseconds} ms");
        Assert.Single(first.Events);
        await HasDepthAsync(url, 0, 5);
        await stream.AckAsync(first);
        var others = await stream.TakeAndAckAsync(4);
        Assert.All(others, batch => Assert.Single(batch.Events));
        Assert.Equal(ids.Order(), others.SelectMany(batch => batch.Ids).Append(first.Events[0].Id).Order());
        await HasDepthAsync(url, 0, 0);
    }

    [Fact]
    public async Task While_nothing_gets_through_one_message_is_tried_and_none_is_received()
    {
        var (queue, url) = await QueueAsync();
        await Sqs.SendAsync(url, Enumerable.Range(0, 30).Select(i => $"body {i}"));
        var instance = await Component.InitAsync(Settings(("maxOutstandingMessages", "10"), ("batchSize", "10")));
        await using var stream = await instance.SubscribeAsync(queue);
        var batches = await stream.TakeAsync(10);
        foreach (var batch in batches)
            await stream.NackAsync(batch);

        // Probes come one at a time: the next only after the answer to the one before.
        for (var i = 0; i < 3; i++)
        {
            var probe = await stream.NextAsync();
            Assert.Single(probe.Events);
            Assert.Contains(probe.Events[0].Id, batches.SelectMany(batch => batch.Ids));
            Assert.Null(await stream.TryNextAsync(TimeSpan.FromMilliseconds(300)));
            await stream.NackAsync(probe);
        }

        await HasDepthAsync(url, 20, 10);

        // The first success resumes everything.
        var watch = Stopwatch.StartNew();
        await stream.TakeAndAckAsync(30);
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(20));
        await HasDepthAsync(url, 0, 0);
    }

    [Fact]
    public async Task An_outage_costs_no_receive_count()
    {
        var queue = SqsEmulatorFixture.UniqueName();
        var settings = Settings(
            ("createQueues", "true"), ("maxReceiveCount", "3"), ("visibilityTimeout", "2s"), ("retryBackoffMax", "400ms"));
        var instance = await Component.InitAsync(settings, queue);
        await using var stream = await instance.SubscribeAsync(queue);
        var url = await UrlAsync(queue);
        await Sqs.SendAsync(url, Enumerable.Range(0, 20).Select(i => $"body {i}"));

        // Everything fails for longer than three visibility timeouts.
        var watch = Stopwatch.StartNew();
        while (watch.Elapsed < TimeSpan.FromSeconds(7))
        {
            if (await stream.TryNextAsync(TimeSpan.FromSeconds(1)) is { } batch)
                await stream.NackAsync(batch);
        }

        // An instance that is replaced gives back what it has when its streams end.
        await stream.DisposeAsync();
        settings["receivers"] = "1";
        await Component.InitAsync(settings, queue);
        await HasDepthAsync(url, 20, 0);
        var received = new List<Message>();
        while (received.Count < 20)
        {
            var request = new ReceiveMessageRequest(url) { MaxNumberOfMessages = 10, MessageSystemAttributeNames = ["All"] };
            received.AddRange((await Sqs.Client.ReceiveMessageAsync(request, Stopping)).Messages ?? []);
        }

        // Once by the component, once just now.
        var counts = received.Select(message => int.Parse(message.Attributes["ApproximateReceiveCount"], CultureInfo.InvariantCulture));
        Assert.All(counts, count => Assert.InRange(count, 1, 2));
        Assert.Equal(QueueDepth.Empty, await Sqs.DepthAsync(await UrlAsync(queue + "-dlq")));
    }

    [Fact]
    public async Task A_message_that_never_gets_through_ends_in_the_dead_letter_queue_while_others_flow()
    {
        var queue = SqsEmulatorFixture.UniqueName();
        var instance = await Component.InitAsync(Settings(
            ("createQueues", "true"), ("maxReceiveCount", "2"), ("retryBackoffMin", "50ms"), ("retryBackoffMax", "200ms")));
        await using var stream = await instance.SubscribeAsync(queue);
        var url = await UrlAsync(queue);
        var ids = await Sqs.SendAsync(url, Enumerable.Range(0, 50).Select(i => i == 25 ? "poison" : $"body {i}"));

        var done = new HashSet<string>();
        await Eventually.HoldsAsync(
            "49 messages are through and one is a dead letter",
            async () =>
            {
                while (await stream.TryNextAsync(TimeSpan.FromMilliseconds(100)) is { } batch)
                {
                    if (batch.Events.Any(one => one.Text == "poison"))
                    {
                        await stream.NackAsync(batch);
                        continue;
                    }

                    done.UnionWith(batch.Ids);
                    await stream.AckAsync(batch);
                }

                return done.Count == 49 && await Sqs.DepthAsync(await UrlAsync(queue + "-dlq")) == new QueueDepth(1, 0);
            },
            TimeSpan.FromSeconds(30),
            Stopping);

        // It is drained through a topic of its own, with the identity that it had.
        await using var deadLetters = await instance.SubscribeAsync(queue + "-dlq");
        var letter = await deadLetters.NextAsync();
        Assert.Equal(ids[25], Assert.Single(letter.Events).Id);
        await deadLetters.AckAsync(letter);
        await HasDepthAsync(await UrlAsync(queue + "-dlq"), 0, 0);
        Assert.Equal(
            "1209600",
            (await Sqs.Client.GetQueueAttributesAsync(await UrlAsync(queue + "-dlq"), ["MessageRetentionPeriod"], Stopping))
                .Attributes["MessageRetentionPeriod"]);
        await Assert.ThrowsAsync<QueueDoesNotExistException>(() => Sqs.Client.GetQueueUrlAsync(queue + "-dlq-dlq", Stopping));
    }

    [Fact]
    public async Task A_lone_message_that_never_gets_through_does_not_hold_up_those_that_come_later()
    {
        var (queue, url) = await QueueAsync();
        var instance = await Component.InitAsync(Settings(("retryBackoffMax", "60s")));
        await using var stream = await instance.SubscribeAsync(queue);
        await Sqs.SendAsync(url, ["poison"]);
        await stream.NackAsync(await stream.NextAsync());
        await Sqs.SendAsync(url, ["good"]);

        var good = false;
        for (var tries = 0; tries < 6 && !good; tries++)
        {
            var batch = await stream.NextAsync();
            good = Assert.Single(batch.Events).Text == "good";
            await (good ? stream.AckAsync(batch) : stream.NackAsync(batch));
        }

        Assert.True(good);
    }

    [Fact]
    public async Task What_is_in_work_stays_hidden_for_longer_than_its_visibility_timeout()
    {
        var (queue, url) = await QueueAsync();
        await Sqs.SendAsync(url, Enumerable.Range(0, 15).Select(i => $"body {i}"));
        var instance = await Component.InitAsync(Settings(("visibilityTimeout", "2s")));
        await using var stream = await instance.SubscribeAsync(queue);
        var batches = await stream.TakeAsync(15);

        Assert.Null(await stream.TryNextAsync(TimeSpan.FromSeconds(5)));

        await HasDepthAsync(url, 0, 15);
        foreach (var batch in batches)
            await stream.AckAsync(batch);
        await HasDepthAsync(url, 0, 0);
    }

    private async Task<string> UrlAsync(string queue)
    {
        var url = "";
        await Eventually.HoldsAsync(
            $"queue {queue} is there",
            async () =>
            {
                url = (await Sqs.Client.GetQueueUrlAsync(queue, Stopping)).QueueUrl;
                return true;
            },
            stopping: Stopping);
        return url;
    }
}
