using System.Threading.Channels;
using PiiMasking.SqsComponent.Instances;

namespace PiiMasking.SqsComponent.Subscriptions;

/// <summary>One PullMessages stream, as the loop of its queue sees it.</summary>
internal sealed class Subscription(string topic, SqsSettings settings)
{
    // Never fuller than the window allows, and the window is bounded.
    private readonly Channel<Handover> handovers =
        Channel.CreateUnbounded<Handover>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });

    /// <summary>What the sidecar calls the queue.</summary>
    public string Topic => topic;

    public StreamWindow Window { get; } = new(settings.BatchWait);

    /// <summary>What to write to the stream; completed when the component ends it.</summary>
    public ChannelReader<Handover> Handovers => handovers.Reader;

    public void HandOver(Handover handover) => handovers.Writer.TryWrite(handover);

    /// <summary>Ends the stream: with success, or with the given error.</summary>
    public void End(Exception? error = null) => handovers.Writer.TryComplete(error);
}
