using System.Diagnostics.Metrics;
using PiiMasking.SqsComponent.Queues;

namespace PiiMasking.SqsComponent.Counters;

/// <summary>Distinct messages by what happened to them. Thread-safe.</summary>
/// <remarks>
/// A message counts once under each heading, however often it is received, sent again or received from the dead-letter
/// queue; that holds for the <see cref="Remembered"/> messages that this process met last. The numbers start at zero with
/// the process.
/// </remarks>
internal sealed class MessageCounters
{
    public const string MeterName = "PiiMasking.SqsComponent";

    /// <summary>About 8 MB at most.</summary>
    public const int Remembered = 1 << 17;

    private readonly Lock gate = new();
    private readonly Dictionary<Guid, Facts> known = [];
    private readonly Queue<Guid> order = new();
    private readonly Counter<long> received;
    private readonly Counter<long> handedOver;
    private readonly Counter<long> deleted;
    private readonly Counter<long> givenBack;
    private CounterValues values = new(0, 0, 0, 0);

    public MessageCounters(IMeterFactory meters)
    {
        var meter = meters.Create(MeterName);
        received = meter.CreateCounter<long>("sqs.messages.received", "{message}", "Distinct messages received from SQS");
        handedOver = meter.CreateCounter<long>("sqs.messages.handed_over", "{message}", "Distinct messages handed to the sidecar");
        deleted = meter.CreateCounter<long>("sqs.messages.deleted", "{message}", "Distinct messages deleted after their acknowledgement");
        givenBack = meter.CreateCounter<long>("sqs.messages.given_back", "{message}", "Distinct messages made visible again unfinished");
    }

    [Flags]
    private enum Facts
    {
        None = 0,
        Received = 1,
        HandedOver = 2,
        Deleted = 4,
        GivenBack = 8,
    }

    public CounterValues Values
    {
        get
        {
            lock (gate)
                return values;
        }
    }

    public void Received(string messageId) => Count(messageId, Facts.Received, received);

    public void HandedOver(string messageId) => Count(messageId, Facts.HandedOver, handedOver);

    public void Deleted(string messageId) => Count(messageId, Facts.Deleted, deleted);

    public void GivenBack(string messageId) => Count(messageId, Facts.GivenBack, givenBack);

    private void Count(string messageId, Facts fact, Counter<long> counter)
    {
        var id = MessageKey.Of(messageId);
        lock (gate)
        {
            if (!known.TryGetValue(id, out var facts))
                Remember(id);
            if (facts.HasFlag(fact))
                return;
            known[id] = facts | fact;
            values = fact switch
            {
                Facts.Received => values with { Received = values.Received + 1 },
                Facts.HandedOver => values with { HandedOver = values.HandedOver + 1 },
                Facts.Deleted => values with { Deleted = values.Deleted + 1 },
                _ => values with { GivenBack = values.GivenBack + 1 },
            };
        }

        counter.Add(1);
    }

    private void Remember(Guid id)
    {
        order.Enqueue(id);
        if (order.Count > Remembered)
            known.Remove(order.Dequeue());
    }
}

/// <summary>What GET /counters answers: distinct messages since the process started.</summary>
internal sealed record CounterValues(long Received, long HandedOver, long Deleted, long GivenBack);
