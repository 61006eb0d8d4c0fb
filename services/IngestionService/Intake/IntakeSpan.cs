using System.Diagnostics;

namespace PiiMasking.IngestionService.Intake;

/// <summary>A span for each delivery, in the trace of the first of its messages that is traced; the traces of the others are linked.</summary>
internal static class IntakeSpan
{
    // What a component gives along with a message, and what a CloudEvent names itself, by the same name.
    private const string TraceParent = "traceparent";
    private const int MostLinks = 128;

    private static readonly ActivitySource Source = new(IntakeMetrics.MeterName);

    /// <returns>Null if nobody collects spans.</returns>
    public static Activity? Start(IReadOnlyList<BulkEntry> entries, List<LoginIntake.Pending> messages)
    {
        if (!Source.HasListeners())
            return null;

        var traces = TracesOf(entries, messages).Distinct().Take(MostLinks).ToArray();
        if (traces.Length == 0)
            return Source.StartActivity("take logins", ActivityKind.Consumer);
        var links = traces.Skip(1);
        if (Activity.Current is { } request && request.TraceId != traces[0].TraceId)
            links = links.Append(request.Context);
        return Source.StartActivity(
            "take logins", ActivityKind.Consumer, traces[0], links: links.Select(context => new ActivityLink(context)));
    }

    private static IEnumerable<ActivityContext> TracesOf(IReadOnlyList<BulkEntry> entries, List<LoginIntake.Pending> messages)
    {
        // A component's own span comes after the producers' and leads to them.
        var byComponent = entries.Select(entry => entry.Received.Metadata.GetValueOrDefault(TraceParent)).ToArray();
        var byMessages = messages.Where(message => byComponent[message.Entry] is null).Select(message => message.TraceParent);
        foreach (var text in byComponent.Concat(byMessages))
        {
            if (text is not null && ActivityContext.TryParse(text, traceState: null, isRemote: true, out var context))
                yield return context;
        }
    }
}
