using PiiMasking.SqsComponent.Queues;

namespace PiiMasking.SqsComponent.Subscriptions;

/// <summary>What is asked of SQS while a queue is read.</summary>
internal enum Operation
{
    Receive,
    Delete,
    Renew,
    GiveBack,
    FindQueue,
}

/// <summary>Says that SQS does not do what it is asked: the first time, then every half minute, and when it is over.</summary>
internal sealed class Trouble(string queue, ILogger logger)
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(30);

    private readonly Dictionary<Operation, (int Count, TimeSpan SaidAt)> open = [];

    public void Happened(Operation operation, Exception fault, TimeSpan now)
    {
        var known = open.TryGetValue(operation, out var trouble);
        if (!known || now - trouble.SaidAt >= Pause)
        {
            logger.RequestFailed(operation, queue, SqsFaults.Describe(fault), trouble.Count + 1);
            trouble.SaidAt = now;
        }

        open[operation] = (trouble.Count + 1, trouble.SaidAt);
    }

    public void Over(Operation operation)
    {
        if (open.Remove(operation, out var trouble))
            logger.RequestsSucceedAgain(operation, queue, trouble.Count);
    }
}
