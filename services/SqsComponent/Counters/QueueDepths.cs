using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Text.Json;
using Amazon.SQS;
using PiiMasking.SqsComponent.Queues;

namespace PiiMasking.SqsComponent.Counters;

/// <summary>How much waits in the queues that are read, how much lies in their dead-letter queues, and how old the oldest message here is.</summary>
/// <remarks>
/// SQS is asked once a minute, and only while somebody collects metrics: two requests a queue. The age of what nobody has received yet is
/// known to CloudWatch alone (ApproximateAgeOfOldestMessage); while messages are received, the oldest one here is hardly younger.
/// </remarks>
internal sealed class QueueDepths : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<string, Watched> queues = new(StringComparer.Ordinal);
    private readonly TimeProvider time;
    private readonly ILogger<QueueDepths> logger;
    private readonly ObservableGauge<long> waiting;

    public QueueDepths(IMeterFactory meters, TimeProvider time, ILogger<QueueDepths> logger)
    {
        (this.time, this.logger) = (time, logger);
        var meter = meters.Create(MessageCounters.MeterName);
        waiting = meter.CreateObservableGauge(
            "sqs.queue.waiting", ObserveWaiting, "{message}", "Messages in the queue that nobody has received, about");
        meter.CreateObservableGauge("sqs.queue.in_work", ObserveInWork, "{message}", "Messages that some consumer has received and not finished, about");
        meter.CreateObservableGauge("sqs.queue.dead_letters", ObserveDeadLetters, "{message}", "Messages in the queue's dead-letter queue, about");
        meter.CreateObservableGauge("sqs.messages.oldest_age", ObserveOldest, "s", "Age of the oldest message that is here and not finished");
    }

    /// <param name="queue">Its name; one that is watched already is watched by the new client from now on.</param>
    /// <param name="sqs">Until <see cref="Forget"/>.</param>
    /// <param name="url">Of the queue.</param>
    /// <param name="oldestAsync">When the oldest message was sent that is here and not finished; null if there is none.</param>
    public void Watch(string queue, IAmazonSQS sqs, string url, Func<Task<DateTimeOffset?>> oldestAsync) =>
        queues[queue] = new Watched(sqs, url, oldestAsync);

    /// <summary>Its client is about to be disposed of.</summary>
    public void Forget(IAmazonSQS sqs)
    {
        foreach (var watched in queues.Where(watched => ReferenceEquals(watched.Value.Sqs, sqs)))
            queues.TryRemove(watched);
    }

    /// <summary>Asks SQS about each queue.</summary>
    internal async Task AskAsync(CancellationToken stopping)
    {
        foreach (var (queue, watched) in queues)
        {
            try
            {
                await watched.AskAsync(stopping);
                watched.HasFailed = false;
            }
            catch (Exception fault) when ((SqsFaults.IsOutside(fault) || fault is ObjectDisposedException or JsonException)
                && !stopping.IsCancellationRequested)
            {
                watched.Depth = null;
                if (!watched.HasFailed)
                    logger.DepthUnknown(queue, SqsFaults.Describe(fault));
                watched.HasFailed = true;
            }
        }
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            if (waiting.Enabled)
                await AskAsync(stoppingToken);
        }
    }

    private IEnumerable<Measurement<long>> ObserveWaiting() => Observe(watched => watched.Depth?.Waiting);

    private IEnumerable<Measurement<long>> ObserveInWork() => Observe(watched => watched.Depth?.InWork);

    private IEnumerable<Measurement<long>> ObserveDeadLetters() => Observe(watched => watched.Depth?.DeadLetters);

    private IEnumerable<Measurement<double>> ObserveOldest() =>
        Observe<double>(watched => watched.Depth is null ? null : watched.Oldest is { } at ? (time.GetUtcNow() - at).TotalSeconds : 0);

    private IEnumerable<Measurement<T>> Observe<T>(Func<Watched, T?> value)
        where T : struct =>
        from watched in queues
        let measured = value(watched.Value)
        where measured is not null
        select new Measurement<T>(measured.Value, new KeyValuePair<string, object?>("queue", watched.Key));

    private sealed record Depth(long Waiting, long InWork, long? DeadLetters);

    private sealed class Watched(IAmazonSQS sqs, string url, Func<Task<DateTimeOffset?>> oldestAsync)
    {
        private static readonly List<string> Asked =
        [
            QueueAttributeName.ApproximateNumberOfMessages, QueueAttributeName.ApproximateNumberOfMessagesNotVisible, QueueAttributeName.RedrivePolicy,
        ];

        private string? deadLettersUrl;

        public IAmazonSQS Sqs => sqs;

        /// <summary>Null while it is not known.</summary>
        public Depth? Depth { get; set; }

        public DateTimeOffset? Oldest { get; private set; }

        public bool HasFailed { get; set; }

        public async Task AskAsync(CancellationToken stopping)
        {
            var answer = await sqs.GetQueueAttributesAsync(url, Asked, stopping);
            long? deadLetters = null;
            if (answer.Attributes is { } attributes && attributes.TryGetValue(QueueAttributeName.RedrivePolicy, out var policy))
                deadLetters = await CountDeadLettersAsync(policy, stopping);
            Oldest = await oldestAsync();
            Depth = new Depth(answer.ApproximateNumberOfMessages, answer.ApproximateNumberOfMessagesNotVisible, deadLetters);
        }

        private async Task<long?> CountDeadLettersAsync(string policy, CancellationToken stopping)
        {
            using var json = JsonDocument.Parse(policy);
            // arn:aws:sqs:region:account:name
            if (!json.RootElement.TryGetProperty("deadLetterTargetArn", out var target) || target.GetString()?.Split(':') is not [.., var name])
                return null;
            deadLettersUrl ??= (await sqs.GetQueueUrlAsync(name, stopping)).QueueUrl;
            return (await sqs.GetQueueAttributesAsync(deadLettersUrl, [QueueAttributeName.ApproximateNumberOfMessages], stopping))
                .ApproximateNumberOfMessages;
        }
    }
}
