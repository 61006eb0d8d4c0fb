using System.Threading.Channels;
using PiiMasking.Sidecar.Components;

namespace PiiMasking.Sidecar.PubSub;

/// <summary>
/// Collects messages into batches, one batch in flight at a time (dapr/pkg/runtime/pubsub/default_bulksub.go).
/// </summary>
/// <param name="maxMessages">The most messages of a batch, and the most that wait for one.</param>
/// <param name="maxAwait">How long the first message waits for others. Null: it goes at once, with whatever is there.</param>
/// <param name="flush">Answers each message of a batch: null, or the error.</param>
internal sealed class BulkBatcher(
    int maxMessages, TimeSpan? maxAwait, Func<IReadOnlyList<InboundMessage>, CancellationToken, Task<string?[]>> flush, TimeProvider time)
{
    private readonly Channel<Waiting> waiting = Channel.CreateBounded<Waiting>(new BoundedChannelOptions(maxMessages)
    {
        SingleReader = true,
    });

    /// <summary>Returns when the batch of this message has been answered.</summary>
    public async Task<string?> SubmitAsync(InboundMessage message, CancellationToken stopping)
    {
        var entry = new Waiting(message, new TaskCompletionSource<string?>(TaskCreationOptions.RunContinuationsAsynchronously));
        await waiting.Writer.WriteAsync(entry, stopping);
        return await entry.Answer.Task.WaitAsync(stopping);
    }

    /// <summary>Runs until stopped.</summary>
    public async Task RunAsync(CancellationToken stopping)
    {
        var batch = new List<Waiting>(maxMessages);
        while (await waiting.Reader.WaitToReadAsync(stopping))
        {
            if (maxAwait is { } patience)
                await CollectAsync(batch, patience, stopping);
            else
                Take(batch);

            await FlushAsync(batch, stopping);
            batch.Clear();
        }
    }

    private async Task FlushAsync(List<Waiting> batch, CancellationToken stopping)
    {
        try
        {
            var errors = await flush([.. batch.Select(entry => entry.Message)], stopping);
            for (var i = 0; i < batch.Count; i++)
                batch[i].Answer.SetResult(errors[i]);
        }
        catch (Exception failed)
        {
            // Nobody may wait for ever; whoever submitted a message deals with it.
            batch.ForEach(entry => entry.Answer.TrySetException(failed));
            throw;
        }
    }

    private void Take(List<Waiting> batch)
    {
        while (batch.Count < maxMessages && waiting.Reader.TryRead(out var entry))
            batch.Add(entry);
    }

    private async Task CollectAsync(List<Waiting> batch, TimeSpan patience, CancellationToken stopping)
    {
        Take(batch);
        if (batch.Count >= maxMessages)
            return;

        using var enough = new CancellationTokenSource(patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(enough.Token, stopping);
        try
        {
            while (batch.Count < maxMessages && await waiting.Reader.WaitToReadAsync(either.Token))
                Take(batch);
        }
        catch (OperationCanceledException) when (!stopping.IsCancellationRequested)
        {
            // The wait is over; what has come goes.
        }
    }

    private sealed record Waiting(InboundMessage Message, TaskCompletionSource<string?> Answer);
}
