using PiiMasking.SqsComponent.Queues;

namespace PiiMasking.SqsComponent.Subscriptions;

/// <summary>The MessageIds that were added last; older ones are forgotten, so that memory stays bounded.</summary>
internal sealed class RecentIds(int capacity)
{
    private readonly HashSet<Guid> ids = [];
    private readonly Queue<Guid> order = new();

    public bool Contains(string messageId) => ids.Count > 0 && ids.Contains(MessageKey.Of(messageId));

    public void Add(string messageId)
    {
        var id = MessageKey.Of(messageId);
        if (!ids.Add(id))
            return;
        order.Enqueue(id);
        if (order.Count > capacity)
            ids.Remove(order.Dequeue());
    }
}
