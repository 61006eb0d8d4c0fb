using PiiMasking.Testing;

namespace PiiMasking.SqsComponent.Tests;

/// <summary>How much is taken at a time.</summary>
public sealed class BoundsTests(SqsEmulatorFixture sqs, SharedComponent shared) : ContractTest(sqs, shared)
{
    [Fact]
    public async Task No_more_messages_are_taken_than_the_bound_and_no_fewer()
    {
        var (queue, url) = await QueueAsync();
        await Sqs.SendAsync(url, Enumerable.Range(0, 60).Select(i => $"body {i}"));
        var instance = await Component.InitAsync(Settings(("maxOutstandingMessages", "25"), ("batchSize", "10")));
        await using var stream = await instance.SubscribeAsync(queue);

        var batches = await stream.TakeAsync(25);
        Assert.Equal(25, batches.Sum(batch => batch.Events.Count));
        Assert.Null(await stream.TryNextAsync(TimeSpan.FromSeconds(1)));
        await HasDepthAsync(url, 35, 25);

        foreach (var batch in batches)
            await stream.AckAsync(batch);
        await stream.TakeAndAckAsync(35);
        await HasDepthAsync(url, 0, 0);
    }

    [Fact]
    public async Task No_more_bytes_are_taken_than_the_bound()
    {
        var (queue, url) = await QueueAsync();
        foreach (var i in Enumerable.Range(0, 12))
            await Sqs.SendAsync(url, [new string((char)('a' + i), 200_000)]);
        var instance = await Component.InitAsync(Settings(("maxOutstandingBytes", "1Mi")));
        await using var stream = await instance.SubscribeAsync(queue);

        var batches = await stream.TakeAsync(5);
        Assert.Null(await stream.TryNextAsync(TimeSpan.FromSeconds(1)));
        Assert.Equal(5, batches.Sum(batch => batch.Events.Count));

        foreach (var batch in batches)
            await stream.AckAsync(batch);
        await stream.TakeAndAckAsync(7);
        await HasDepthAsync(url, 0, 0);
    }

    [Fact]
    public async Task Messages_of_the_largest_size_go_through_in_frames_that_a_sidecar_takes()
    {
        var (queue, url) = await QueueAsync();
        var body = new string('é', (1 << 19) - 16);
        foreach (var _ in Enumerable.Range(0, 8))
            await Sqs.SendAsync(url, [body]);
        await Sqs.SendAsync(url, ["small"]);
        var instance = await Component.InitAsync(Settings());
        await using var stream = await instance.SubscribeAsync(queue);

        // The client takes 4 MiB, as daprd does.
        var batches = await stream.TakeAndAckAsync(9);

        var texts = batches.SelectMany(batch => batch.Events).Select(one => one.Text).ToArray();
        Assert.Equal(8, texts.Count(text => text == body));
        Assert.Contains("small", texts);
        Assert.All(batches, batch => Assert.InRange(batch.Response.CalculateSize(), 1, (4 << 20) - 1));
        await HasDepthAsync(url, 0, 0);
    }

    [Fact]
    public async Task Under_load_a_message_costs_little_more_than_two_tenths_of_a_request()
    {
        var (queue, url) = await QueueAsync();
        await Sqs.SendAsync(url, Enumerable.Range(0, 5000).Select(i => $"body {i}"));
        await using var proxy = new CountingProxy(Sqs.Endpoint);
        var instance = await Component.InitAsync(Settings(("endpoint", proxy.Address.ToString())));
        await using var stream = await instance.SubscribeAsync(queue);

        await stream.TakeAndAckAsync(5000);
        await HasDepthAsync(url, 0, 0);

        var requests = proxy.Requests / 5000.0;
        TestContext.Current.TestOutputHelper!.WriteLine($"{requests:0.000} requests a message");
        Assert.InRange(requests, 0.2, 0.22);
    }
}
