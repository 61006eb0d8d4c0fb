using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using PiiMasking.Backing;

namespace PiiMasking.AppHost;

/// <summary>Sends one login with a trace of its own and waits until all that belongs to it has been exported.</summary>
/// <param name="system">Exports to <paramref name="collector"/>.</param>
/// <param name="collector">Where the spans come in.</param>
/// <param name="time">Spaces the looks.</param>
internal sealed class TracedLogin(LocalSystem system, SpanCollector collector, TimeProvider time)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public string TraceId { get; } = RandomNumberGenerator.GetHexString(32, lowercase: true);

    /// <summary>The span that the producer would have.</summary>
    public string ProducerId { get; } = RandomNumberGenerator.GetHexString(16, lowercase: true);

    /// <returns>All spans from the component to Postgres.</returns>
    /// <exception cref="BackingException">Some are missing after a minute.</exception>
    public async Task<IReadOnlyList<Span>> SendAsync(string login, CancellationToken stopping)
    {
        collector.Watch(TraceId);
        await system.Queue.SendAsync(login, $"00-{TraceId}-{ProducerId}-01", stopping);
        for (var waited = Stopwatch.StartNew(); ; await Task.Delay(Interval, time, stopping))
        {
            var spans = collector.Of(TraceId);
            if (IsWhole(spans))
                return spans;
            if (waited.Elapsed > Patience)
                throw new BackingException($"Only {spans.Count} spans of the trace have come within a minute: look into the logs.");
        }
    }

    /// <summary>The trace as a tree, a line a span.</summary>
    public IEnumerable<string> Describe(IReadOnlyList<Span> spans)
    {
        yield return "producer (AppHost)";
        foreach (var line in Below(ProducerId, ""))
            yield return line;

        IEnumerable<string> Below(string parent, string indent)
        {
            var children = spans.Where(span => span.ParentId == parent).ToArray();
            foreach (var span in children)
            {
                var isLast = span == children[^1];
                var milliseconds = span.Duration.TotalMilliseconds.ToString("0.0", CultureInfo.InvariantCulture);
                yield return $"{indent + (isLast ? "└─ " : "├─ ") + span.Name,-48} {span.Service,-18} {milliseconds,8} ms   {span.Library}";
                foreach (var line in Below(span.Id, indent + (isLast ? "   " : "│  ")))
                    yield return line;
            }
        }
    }

    /// <summary>The outermost span, which ends last, is there, so are the database's, and nobody's parent is missing.</summary>
    private bool IsWhole(IReadOnlyList<Span> spans)
    {
        var known = spans.Select(span => span.Id).Append(ProducerId).ToHashSet();
        return spans.Any(span => span.ParentId == ProducerId)
            && spans.Any(span => span.Library == "Npgsql")
            && spans.All(span => known.Contains(span.ParentId));
    }
}
