using System.Diagnostics;

namespace PiiMasking.Benchmarks;

/// <summary>Messages that wait in the queue before the system may begin, so that it alone is measured and not whoever sends.</summary>
internal sealed class Backlog(BenchmarkSystem system, CancellationToken stopping)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    /// <summary>Fills the queue while nobody receives from it, then takes the time until what was sent is accounted for.</summary>
    /// <param name="bodies">What is to wait.</param>
    /// <param name="enough">Ends when so many are accounted for, if not all have to be.</param>
    /// <param name="look">Called some ten times a second while the system works.</param>
    /// <exception cref="InvalidOperationException">It comes to a standstill.</exception>
    public async Task<TimeSpan> DrainAsync(IEnumerable<string> bodies, int enough = int.MaxValue, Action? look = null)
    {
        var before = await system.System.Database.TotalsAsync(stopping);
        system.Hold();
        int sent;
        try
        {
            sent = (await system.SendAsync(bodies.ToAsyncEnumerable(), stopping)).Count;
        }
        finally
        {
            system.Resume();
        }

        var took = Stopwatch.StartNew();
        var (last, since) = (0L, Stopwatch.StartNew());
        while (true)
        {
            var done = await system.System.Database.TotalsAsync(stopping) - before;
            look?.Invoke();
            if (done.Stored + done.Quarantined >= Math.Min(sent, enough))
                return took.Elapsed;
            if (done.Stored + done.Quarantined != last)
                since.Restart();
            if (since.Elapsed > Patience)
                throw new InvalidOperationException($"Of {sent} messages {last} are accounted for, and nothing has moved for {Patience}.");
            last = done.Stored + done.Quarantined;
            await Task.Delay(Interval, stopping);
        }
    }
}
