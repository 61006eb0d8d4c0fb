using System.Collections.Concurrent;
using System.Globalization;
using System.Threading.Channels;

namespace PiiMasking.Sidecar.Components;

/// <summary>
/// pubsub.in-memory: what this process publishes goes to this process's own subscriptions, and is lost with it.
/// </summary>
/// <remarks>A message given back is delivered again after 100 ms, ten times in all, and then dropped.</remarks>
internal sealed class InMemoryPubSub(TimeProvider time) : IPubSub
{
    private const int Attempts = 10;
    private const int Capacity = 1024;
    private static readonly TimeSpan RedeliverAfter = TimeSpan.FromMilliseconds(100);

    private readonly ConcurrentDictionary<Stream, string> streams = new();
    private long lastId;

    public IReadOnlyCollection<string> Features => [];

    /// <summary>Waits while a subscriber of the topic is 1,024 messages behind.</summary>
    public async Task PublishAsync(OutboundMessage message, CancellationToken stopping)
    {
        foreach (var (stream, topic) in streams)
        {
            if (topic != message.Topic)
                continue;
            var id = Interlocked.Increment(ref lastId).ToString(CultureInfo.InvariantCulture);
            // The publisher's buffer may be reused once the call returns.
            var inbound = new InboundMessage(id, message.Data.ToArray(), message.Topic, message.Metadata, "");
            await stream.WriteAsync(inbound, stopping);
        }
    }

    public Task<IReadOnlyList<FailedEntry>> BulkPublishAsync(
        string topic, IReadOnlyList<OutboundEntry> entries, IReadOnlyDictionary<string, string> metadata, CancellationToken stopping) =>
        throw new NotSupportedException("The component does not announce BULK_PUBSUB.");

    public Task<IMessageStream> OpenAsync(string topic, IReadOnlyDictionary<string, string> metadata, CancellationToken stopping)
    {
        var stream = new Stream(this, time);
        streams[stream] = topic;
        return Task.FromResult<IMessageStream>(stream);
    }

    public Task PauseAsync(CancellationToken stopping) => Task.CompletedTask;

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private sealed class Stream(InMemoryPubSub owner, TimeProvider time) : IMessageStream
    {
        private readonly Channel<InboundMessage> waiting = Channel.CreateBounded<InboundMessage>(Capacity);
        private readonly ConcurrentDictionary<string, int> failures = new(StringComparer.Ordinal);

        public ValueTask WriteAsync(InboundMessage message, CancellationToken stopping) =>
            waiting.Writer.WriteAsync(message, stopping);

        public IAsyncEnumerable<InboundMessage> ReadAllAsync(CancellationToken stopping) => waiting.Reader.ReadAllAsync(stopping);

        public async Task AnswerAsync(InboundMessage message, string? error, CancellationToken stopping)
        {
            if (error is null || failures.AddOrUpdate(message.Id, 1, (_, count) => count + 1) >= Attempts)
            {
                failures.TryRemove(message.Id, out _);
                return;
            }

            await Task.Delay(RedeliverAfter, time, stopping);
            // A full queue drops the message rather than block the reader that would empty it.
            waiting.Writer.TryWrite(message);
        }

        public void Dispose() => owner.streams.TryRemove(this, out _);
    }
}
