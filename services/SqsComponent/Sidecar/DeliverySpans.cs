using System.Collections.Concurrent;
using System.Diagnostics;
using PiiMasking.SqsComponent.Subscriptions;

namespace PiiMasking.SqsComponent.Sidecar;

/// <summary>A span for each batch of a stream, from the moment it is handed over to its answer. Thread-safe.</summary>
/// <remarks>
/// A batch has many messages and a span one parent: it is the first message whose producer is traced; the other producers are linked. So a trace
/// can be followed from a producer to the row, and the traces of the others lead to it.
/// </remarks>
internal sealed class DeliverySpans(string queue) : IDisposable
{
    public const string SourceName = "PiiMasking.SqsComponent";
    private const int MostLinks = 128;

    private static readonly ActivitySource Source = new(SourceName);

    private readonly string name = $"deliver {queue}";
    private readonly ConcurrentDictionary<string, Activity> open = new(StringComparer.Ordinal);

    /// <returns>What the app is to continue: <c>traceparent</c> of the span, or of the producer if nobody collects spans here.</returns>
    public string? Start(Handover handover)
    {
        var producers = Producers(handover);
        var parent = producers.Count > 0 ? producers[0].Context : default;
        var links = producers.Skip(1).Select(producer => new ActivityLink(producer.Context));

        // Otherwise it would be a part of the request that opened the stream, which lasts as long as the sidecar does.
        Activity.Current = null;
        var span = Source.StartActivity(name, ActivityKind.Consumer, parent, links: links);
        Activity.Current = null;
        if (span is null)
            return producers.Count > 0 ? producers[0].Text : null;

        span.SetTag("messaging.system", "aws_sqs");
        span.SetTag("messaging.destination.name", queue);
        span.SetTag("messaging.batch.message_count", handover.Messages.Count);
        open[handover.Token] = span;
        return span.Id;
    }

    public void End(string token, bool succeeded)
    {
        if (open.TryRemove(token, out var span))
            End(span, succeeded);
    }

    /// <summary>Ends those that nobody will answer any more.</summary>
    public void Dispose()
    {
        foreach (var span in open.Values)
            End(span, succeeded: false);
    }

    private static void End(Activity span, bool succeeded)
    {
        if (!succeeded)
            span.SetStatus(ActivityStatusCode.Error);
        span.Dispose();
    }

    private static List<(string Text, ActivityContext Context)> Producers(Handover handover)
    {
        var producers = new List<(string, ActivityContext)>();
        foreach (var text in handover.Messages.Select(message => message.Message.TraceParent).OfType<string>().Distinct().Take(MostLinks))
        {
            if (ActivityContext.TryParse(text, traceState: null, isRemote: true, out var context))
                producers.Add((text, context));
        }

        return producers;
    }
}
