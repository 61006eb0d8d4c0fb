using System.Threading.Channels;
using Microsoft.Extensions.Time.Testing;
using PiiMasking.Sidecar.Components;
using PiiMasking.Sidecar.PubSub;

namespace PiiMasking.Sidecar.Tests;

/// <summary>dapr-contract C4.</summary>
public sealed class BulkBatcherTests
{
    private readonly FakeTimeProvider time = new();
    private readonly Channel<(IReadOnlyList<InboundMessage> Batch, TaskCompletionSource<string?[]> Answer)> flushed =
        Channel.CreateUnbounded<(IReadOnlyList<InboundMessage>, TaskCompletionSource<string?[]>)>();

    private readonly CancellationToken stopping = TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_full_batch_goes_at_once()
    {
        var batcher = Start(maxMessages: 2, TimeSpan.FromSeconds(1));

        var first = batcher.SubmitAsync(Message("1"), stopping);
        var second = batcher.SubmitAsync(Message("2"), stopping);
        var (batch, answer) = await flushed.Reader.ReadAsync(stopping);
        answer.SetResult([null, "no"]);

        Assert.Equal(["1", "2"], batch.Select(message => message.Id));
        Assert.Null(await first);
        Assert.Equal("no", await second);
    }

    [Fact]
    public async Task The_first_message_waits_for_others_as_long_as_it_was_told()
    {
        var batcher = Start(maxMessages: 100, TimeSpan.FromSeconds(1));

        var submitted = batcher.SubmitAsync(Message("1"), stopping);
        await Testing.Eventually.HoldsAsync("the wait has ended", () =>
        {
            time.Advance(TimeSpan.FromMilliseconds(250));
            return flushed.Reader.Count > 0;
        }, stopping: stopping);
        var (batch, answer) = await flushed.Reader.ReadAsync(stopping);
        answer.SetResult([null]);

        Assert.Single(batch);
        Assert.Null(await submitted);
        Assert.True(time.GetUtcNow() - time.Start >= TimeSpan.FromSeconds(1));
    }

    [Fact]
    public async Task Immediately_means_everything_that_came_during_the_last_call_is_the_next_batch()
    {
        var batcher = Start(maxMessages: 100, null);

        var tasks = new List<Task<string?>> { batcher.SubmitAsync(Message("1"), stopping) };
        var (first, firstAnswer) = await flushed.Reader.ReadAsync(stopping);
        string[] later = ["2", "3", "4"];
        tasks.AddRange(later.Select(id => batcher.SubmitAsync(Message(id), stopping)));
        Assert.Equal(0, flushed.Reader.Count);
        firstAnswer.SetResult([null]);
        var (second, secondAnswer) = await flushed.Reader.ReadAsync(stopping);
        secondAnswer.SetResult([null, null, null]);
        await Task.WhenAll(tasks);

        Assert.Single(first);
        Assert.Equal(["2", "3", "4"], second.Select(message => message.Id));
    }

    private BulkBatcher Start(int maxMessages, TimeSpan? maxAwait)
    {
        var batcher = new BulkBatcher(maxMessages, maxAwait, (batch, _) =>
        {
            var answer = new TaskCompletionSource<string?[]>();
            flushed.Writer.TryWrite((batch, answer));
            return answer.Task;
        }, time);
        _ = batcher.RunAsync(stopping);
        return batcher;
    }

    private static InboundMessage Message(string id) => new(id, default, "t", new Dictionary<string, string>(), "");
}
