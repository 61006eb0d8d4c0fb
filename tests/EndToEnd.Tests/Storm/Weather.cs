using System.Collections.Concurrent;

namespace PiiMasking.EndToEnd.Tests.Storm;

/// <summary>What a storm did.</summary>
/// <param name="Seed">The same seed chooses the same faults in the same order.</param>
/// <param name="Faults">How often each kind.</param>
/// <param name="SlowestRecovery">The longest time without a commit, from the last beginning or end of a fault on.</param>
/// <param name="SlowestAfter">That fault.</param>
internal sealed record Damage(int Seed, IReadOnlyDictionary<string, int> Faults, TimeSpan SlowestRecovery, string SlowestAfter)
{
    public override string ToString() =>
        $"seed {Seed}; {Faults.Values.Sum()} faults ({string.Join(", ", Faults.OrderBy(kind => kind.Key).Select(kind => $"{kind.Key} {kind.Value}"))}); "
        + $"slowest recovery {SlowestRecovery.TotalSeconds:0.0} s (after {SlowestAfter})";
}

/// <summary>Brings faults about, at random but repeatable, some while others still last.</summary>
internal sealed class Weather(StormRun run, int seed, IReadOnlyList<Fault> kinds)
{
    private const int MostAtOnce = 3;

    // After so many the sky clears until something gets through, so that recovery is seen and not only hindered.
    private const int Squall = 6;

    // Longer than any recovery that is allowed.
    private static readonly TimeSpan RecoveryLimit = TimeSpan.FromMinutes(1.5);

    private readonly ConcurrentDictionary<string, int> counts = [];

    /// <param name="faults">How many.</param>
    /// <param name="pause">The mean time from one to the next.</param>
    /// <returns>When the system has recovered from all of them.</returns>
    public async Task<Damage> RageAsync(int faults, TimeSpan pause)
    {
        var random = new Random(seed);
        using var slots = new SemaphoreSlim(MostAtOnce);
        var under = new List<Task>();
        // Something has to be there to be hurt, or to be delivered once more.
        await run.NextCommitAsync(RecoveryLimit);
        // Each kind comes in turn before any comes again, in an order that is new each time.
        var order = Enumerable.Range(0, (faults / kinds.Count) + 1).SelectMany(_ => Shuffled(random)).Take(faults);
        foreach (var fault in order)
        {
            await slots.WaitAsync(run.Stopping);
            var duration = TimeSpan.FromSeconds(0.5 + (random.NextDouble() * 2.5));
            under.Add(BringAsync(fault, duration, slots));
            await Task.Delay(pause * (0.5 + random.NextDouble()), run.Stopping);
            if (under.Count % Squall != 0)
                continue;
            await Task.WhenAll(under);
            await run.NextCommitAsync(RecoveryLimit);
        }

        await Task.WhenAll(under);
        await run.NextCommitAsync(RecoveryLimit);
        return new Damage(seed, counts, run.SlowestRecovery.Took, run.SlowestRecovery.After);
    }

    private Fault[] Shuffled(Random random)
    {
        var shuffled = kinds.ToArray();
        random.Shuffle(shuffled);
        return shuffled;
    }

    private async Task BringAsync(Fault fault, TimeSpan duration, SemaphoreSlim slots)
    {
        try
        {
            counts.AddOrUpdate(fault.Name, 1, (_, count) => count + 1);
            run.Storm.Say($"fault: {fault.Name}, {duration.TotalSeconds:0.0} s");
            run.Harmed(fault.Name);
            await fault.Do(run, duration);
        }
        finally
        {
            run.Harmed(fault.Name);
            run.Storm.Say($"over: {fault.Name}");
            slots.Release();
        }
    }
}
