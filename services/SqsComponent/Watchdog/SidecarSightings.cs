namespace PiiMasking.SqsComponent.Watchdog;

/// <summary>What this process has seen of its sidecar. Thread-safe.</summary>
internal sealed class SidecarSightings(TimeProvider time)
{
    private readonly Lock gate = new();
    private readonly Dictionary<(string Instance, string Topic), Stream> streams = [];
    private readonly DateTimeOffset startedAt = time.GetUtcNow();
    private DateTimeOffset? initialisedAt;

    public void Initialised()
    {
        lock (gate)
            initialisedAt = time.GetUtcNow();
    }

    /// <summary>A PullMessages stream is open until the sighting is disposed.</summary>
    public IDisposable StreamOpened(string instance, string topic)
    {
        lock (gate)
        {
            if (!streams.TryGetValue((instance, topic), out var stream))
                streams.Add((instance, topic), stream = new Stream());
            stream.Open++;

            // A sidecar asks its app once, at its start, what to subscribe to. Now that it does, what only its predecessor subscribed to is not
            // missing: a topic was taken off the list.
            foreach (var (key, ended) in streams.Where(other => other.Key.Instance == instance && other.Value.Open == 0).ToArray())
            {
                if (ended.EndedAt < initialisedAt)
                    streams.Remove(key);
            }
        }

        return new OpenStream(this, (instance, topic));
    }

    public Sightings Now()
    {
        lock (gate)
        {
            var broken = streams.Where(stream => stream.Value.Open == 0).ToArray();
            return new Sightings(
                startedAt,
                initialisedAt,
                broken.Length == 0 ? null : broken.Max(stream => stream.Value.EndedAt),
                [.. broken.Select(stream => stream.Key.Topic).Order(StringComparer.Ordinal)]);
        }
    }

    /// <summary>The sidecar was asked to restart because of them; what it subscribes to then may be something else.</summary>
    public void ForgetBrokenStreams()
    {
        lock (gate)
        {
            foreach (var (key, _) in streams.Where(stream => stream.Value.Open == 0).ToArray())
                streams.Remove(key);
        }
    }

    private void StreamEnded((string Instance, string Topic) key)
    {
        lock (gate)
        {
            streams[key].Open--;
            streams[key].EndedAt = time.GetUtcNow();
        }
    }

    private sealed class Stream
    {
        public int Open { get; set; }

        public DateTimeOffset EndedAt { get; set; }
    }

    private sealed class OpenStream(SidecarSightings sightings, (string Instance, string Topic) key) : IDisposable
    {
        private int closed;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref closed, 1) == 0)
                sightings.StreamEnded(key);
        }
    }
}

/// <param name="StartedAt">Start of the process.</param>
/// <param name="InitialisedAt">Last Init by a sidecar; null when there was none.</param>
/// <param name="StreamBrokeAt">Latest end of a stream that has not been opened again; null when there is none.</param>
/// <param name="BrokenTopics">The topics of those streams.</param>
internal sealed record Sightings(
    DateTimeOffset StartedAt, DateTimeOffset? InitialisedAt, DateTimeOffset? StreamBrokeAt, IReadOnlyList<string> BrokenTopics);
