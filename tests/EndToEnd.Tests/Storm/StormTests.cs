using System.Globalization;

namespace PiiMasking.EndToEnd.Tests.Storm;

/// <summary>Random faults under load: nothing lost, nothing twice, nothing half-written.</summary>
/// <remarks>
/// STORM_MESSAGES, STORM_FAULTS and STORM_SEED make it longer, or the same as one before; TESTING.md has the long run. The faults come in
/// two parts: in the second the component is not killed, so that what it has deleted is known to the last message.
/// </remarks>
public sealed class StormTests(StormSystem storm, ITestOutputHelper output)
{
    // What the emulator takes, sends and deletes at its ease when it writes everything to disk and half the time something is away.
    private const double MessagesASecond = 250;

    private static readonly TimeSpan ShortestPause = TimeSpan.FromSeconds(0.8);
    private static readonly TimeSpan MostRecovery = TimeSpan.FromSeconds(60);

    private static int Messages => Setting("STORM_MESSAGES", 6_000);

    private static int Faults => Setting("STORM_FAULTS", 37);

    private static readonly int Seed = Setting("STORM_SEED", Random.Shared.Next(1_000_000));

    [Fact]
    public async Task Nothing_is_lost_stored_twice_or_half_written_whatever_is_killed_stopped_or_cut()
    {
        var all = Fault.All;
        await RageAsync("storm", Seed, all, Messages * 5 / 6, Faults * 5 / 6);
        await RageAsync("storm with a whole component", Seed + 1, [.. all.Where(fault => !fault.EndsComponent)], Messages / 6, Faults - Faults * 5 / 6);
    }

    private async Task RageAsync(string name, int seed, IReadOnlyList<Fault> kinds, int messages, int faults)
    {
        await using var run = await StormRun.StartAsync(storm, TestContext.Current.CancellationToken);
        var pause = TimeSpan.FromSeconds(Math.Max(ShortestPause.TotalSeconds, messages / MessagesASecond / faults));
        var started = TimeProvider.System.GetTimestamp();
        var raging = new Weather(run, seed, kinds).RageAsync(faults, pause);
        await run.Producer.SendAsync(messages, pause * faults, () => !raging.IsCompleted, run.Stopping);
        var damage = await raging;
        var raged = TimeProvider.System.GetElapsedTime(started);

        var verdict = await run.FinishAsync();

        var took = TimeProvider.System.GetElapsedTime(started);
        var summary = $"{name}: {verdict}; {damage}; {raged.TotalSeconds:0} s of storm and {(took - raged).TotalSeconds:0} s until drained and checked";
        output.WriteLine(summary);
        TestContext.Current.SendDiagnosticMessage(summary);
        await run.AssertAsync(verdict.IsGreen, summary);
        Assert.True(damage.SlowestRecovery < MostRecovery, summary);
    }

    private static int Setting(string name, int otherwise) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
}
