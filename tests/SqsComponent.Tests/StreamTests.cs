using System.Diagnostics;
using Grpc.Core;
using PiiMasking.SqsComponent.Protos;
using PiiMasking.Testing;

namespace PiiMasking.SqsComponent.Tests;

/// <summary>Streams that end, pause, come back, or never should have been.</summary>
public sealed class StreamTests(SqsEmulatorFixture sqs, SharedComponent shared) : ContractTest(sqs, shared)
{
    [Fact]
    public async Task A_stream_that_comes_back_goes_on_with_what_was_held()
    {
        var (queue, url) = await QueueAsync();
        var ids = await Sqs.SendAsync(url, Enumerable.Range(0, 20).Select(i => $"body {i}"));
        var instance = await Component.InitAsync(Settings());
        await using (var first = await instance.SubscribeAsync(queue))
            await first.TakeAsync(20);
        await HasDepthAsync(url, 0, 20);

        await using var second = await instance.SubscribeAsync(queue);
        var batches = await second.TakeAndAckAsync(20);

        Assert.Equal(ids.Order(), batches.SelectMany(batch => batch.Ids).Order());
        await HasDepthAsync(url, 0, 0);
    }

    [Fact]
    public async Task A_stream_that_does_not_come_back_leaves_nothing_behind()
    {
        var (queue, url) = await QueueAsync();
        await Sqs.SendAsync(url, Enumerable.Range(0, 25).Select(i => $"body {i}"));
        var instance = await Component.InitAsync(Settings(("visibilityTimeout", "2s")));
        await using (var stream = await instance.SubscribeAsync(queue))
            await stream.TakeAsync(25);

        await HasDepthAsync(url, 25, 0, TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task A_sidecar_that_hangs_up_politely_ends_its_stream_too()
    {
        var (queue, url) = await QueueAsync();
        await Sqs.SendAsync(url, ["body"]);
        var instance = await Component.InitAsync(Settings(("visibilityTimeout", "2s")));
        await using var stream = await instance.SubscribeAsync(queue);
        await stream.NextAsync();

        await stream.HangUpAsync();

        await HasDepthAsync(url, 1, 0, TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task An_answer_of_an_ended_stream_or_with_a_made_up_token_changes_nothing()
    {
        var (queue, url) = await QueueAsync();
        await Sqs.SendAsync(url, ["body"]);
        var instance = await Component.InitAsync(Settings());
        Batch old;
        await using (var first = await instance.SubscribeAsync(queue))
            old = await first.NextAsync();
        await using var second = await instance.SubscribeAsync(queue);
        var batch = await second.NextAsync();
        Assert.NotEqual(old.Token, batch.Token);

        await second.AckAsync(old);
        await second.NackAsync(old);

        Assert.Null(await second.TryNextAsync(TimeSpan.FromMilliseconds(300)));
        await HasDepthAsync(url, 0, 1);
        await second.AckAsync(batch);
        await second.AckAsync(batch);
        await HasDepthAsync(url, 0, 0);
    }

    [Fact]
    public async Task Paused_it_hands_nothing_over_and_takes_answers_and_resumed_it_goes_on()
    {
        var (queue, url) = await QueueAsync();
        await Sqs.SendAsync(url, ["first"]);
        var instance = await Component.InitAsync(Settings());
        await using var stream = await instance.SubscribeAsync(queue);
        var first = await stream.NextAsync();

        for (var i = 0; i < 2; i++)
            await instance.Client.PauseAsync(new PauseRequest(), instance.Headers, cancellationToken: Stopping);
        await Sqs.SendAsync(url, ["second"]);
        Assert.Null(await stream.TryNextAsync(TimeSpan.FromSeconds(1.5)));
        await stream.AckAsync(first);
        await Eventually.HoldsAsync(
            "the first is deleted",
            async () => await Sqs.DepthAsync(url) is { Visible: var visible, InFlight: var inFlight } && visible + inFlight == 1,
            stopping: Stopping);

        for (var i = 0; i < 2; i++)
            await instance.Client.ResumeAsync(new ResumeRequest(), instance.Headers, cancellationToken: Stopping);
        Assert.Equal("second", (await stream.NextAsync()).Events[0].Text);
    }

    [Fact]
    public async Task A_pause_waits_for_the_answers_to_what_was_handed_over_but_not_for_long()
    {
        var (queue, url) = await QueueAsync();
        await Sqs.SendAsync(url, ["first", "second"]);
        var instance = await Component.InitAsync(Settings(("batchSize", "1")));
        await using var stream = await instance.SubscribeAsync(queue);
        var (first, second) = (await stream.NextAsync(), await stream.NextAsync());

        var paused = Stopwatch.StartNew();
        var pausing = instance.Client.PauseAsync(new PauseRequest(), instance.Headers, cancellationToken: Stopping).ResponseAsync;
        await stream.AckAsync(first);
        await Eventually.EqualsAsync("hidden messages", new QueueDepth(0, 1), () => Sqs.DepthAsync(url), stopping: Stopping);
        // It waits for two seconds.
        Assert.True(!pausing.IsCompleted || paused.Elapsed > TimeSpan.FromSeconds(1.5));
        await stream.NackAsync(second);
        await pausing;

        await instance.Client.ResumeAsync(new ResumeRequest(), instance.Headers, cancellationToken: Stopping);
        await stream.NextAsync();
        // Never answered: the sidecar that asks would not wait longer either.
        await instance.Client.PauseAsync(new PauseRequest(), instance.Headers, cancellationToken: Stopping);
    }

    [Fact]
    public async Task A_sidecar_that_initialises_again_finds_what_is_held_and_is_not_paused()
    {
        var (queue, url) = await QueueAsync();
        await Sqs.SendAsync(url, ["body"]);
        var settings = Settings();
        var instance = await Component.InitAsync(settings, queue);
        await using (var first = await instance.SubscribeAsync(queue))
            await first.NextAsync();
        await instance.Client.PauseAsync(new PauseRequest(), instance.Headers, cancellationToken: Stopping);

        instance = await Component.InitAsync(settings, queue);
        await using var second = await instance.SubscribeAsync(queue);

        Assert.Equal("body", (await second.NextAsync()).Events[0].Text);
    }

    [Fact]
    public async Task Changed_settings_take_over_from_those_before()
    {
        var (queue, url) = await QueueAsync();
        await Sqs.SendAsync(url, ["body"]);
        var instance = await Component.InitAsync(Settings(), queue);
        await using (var first = await instance.SubscribeAsync(queue))
            await first.NextAsync();

        instance = await Component.InitAsync(Settings(("batchSize", "7")), queue);
        await using var second = await instance.SubscribeAsync(queue);

        Assert.Equal("body", (await second.NextAsync()).Events[0].Text);
    }

    [Fact]
    public async Task A_queue_that_fails_for_a_while_ends_no_stream()
    {
        var (queue, url) = await QueueAsync();
        await using var proxy = new CountingProxy(Sqs.Endpoint);
        var instance = await Component.InitAsync(Settings(("endpoint", proxy.Address.ToString())));
        proxy.IsDown = true;
        await using var stream = await instance.SubscribeAsync(queue);
        await Sqs.SendAsync(url, ["body"]);
        Assert.Null(await stream.TryNextAsync(TimeSpan.FromSeconds(1)));

        proxy.IsDown = false;
        var batch = await stream.NextAsync();

        // The same for the deletion.
        proxy.IsDown = true;
        await stream.AckAsync(batch);
        Assert.Null(await stream.TryNextAsync(TimeSpan.FromSeconds(1)));
        proxy.IsDown = false;
        await HasDepthAsync(url, 0, 0);
    }

    [Fact]
    public async Task A_missing_queue_is_named_with_the_remedy()
    {
        var instance = await Component.InitAsync(Settings());
        await using var stream = await instance.SubscribeAsync("no-such-queue");

        var error = await Assert.ThrowsAsync<RpcException>(() => stream.NextAsync());

        Assert.Equal(StatusCode.NotFound, error.StatusCode);
        Assert.Contains("no-such-queue", error.Status.Detail, StringComparison.Ordinal);
        Assert.Contains("createQueues", error.Status.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("logins.fifo", "FIFO")]
    [InlineData("log ins", "1 to 80")]
    public async Task A_topic_that_is_no_standard_queue_is_refused(string topic, string reason)
    {
        var instance = await Component.InitAsync(Settings());
        await using var stream = await instance.SubscribeAsync(topic);

        var error = await Assert.ThrowsAsync<RpcException>(() => stream.NextAsync());

        Assert.Equal(StatusCode.InvalidArgument, error.StatusCode);
        Assert.Contains(reason, error.Status.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_its_initialisation_an_instance_is_refused()
    {
        var stranger = new Instance(Component.Client, new Metadata { { "x-component-instance", "stranger" } });
        await using var stream = await stranger.SubscribeAsync("queue");

        var error = await Assert.ThrowsAsync<RpcException>(() => stream.NextAsync());

        Assert.Equal(StatusCode.FailedPrecondition, error.StatusCode);
    }
}
