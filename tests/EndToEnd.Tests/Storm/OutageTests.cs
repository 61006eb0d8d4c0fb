using System.Globalization;

namespace PiiMasking.EndToEnd.Tests.Storm;

/// <summary>
/// A long outage costs no message and hardly a receive: with a redrive after three receives, nothing wanders into the dead-letter queue.
/// </summary>
/// <remarks>
/// STORM_OUTAGE is how long, in seconds. Time is six times as short here as by default: 600 are an hour.
/// </remarks>
public sealed class OutageTests(StormSystem storm, ITestOutputHelper output)
{
    private const int MostReceives = 2;
    private const int MessagesASecond = 50;

    private static TimeSpan Duration =>
        TimeSpan.FromSeconds(Environment.GetEnvironmentVariable("STORM_OUTAGE") is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : 16);

    [Fact]
    public Task Of_the_database() => LastAsync(storm => storm.DatabaseNetwork, network =>
    {
        network.Condition = Condition.Refusing;
        network.Cut();
    });

    [Fact]
    public Task Of_the_masking_service() => LastAsync(storm => storm.MaskingNetwork, network =>
    {
        network.Condition = Condition.Refusing;
        network.Cut();
    });

    [Fact]
    public Task Of_a_masking_service_that_is_a_hundred_times_as_slow() =>
        // A call takes some 20 ms.
        LastAsync(storm => storm.MaskingNetwork, network => network.Delay = TimeSpan.FromSeconds(2));

    private async Task LastAsync(Func<StormSystem, BadNetwork> which, Action<BadNetwork> harm)
    {
        await using var run = await StormRun.StartAsync(storm, TestContext.Current.CancellationToken);
        await storm.DrainDeadLettersAsync(false, run.Stopping);
        var network = which(storm);
        var isOver = false;
        var watching = WatchAsync(run, () => isOver);
        var sending = run.Producer.SendAsync((int)Duration.TotalSeconds * MessagesASecond, Duration, () => false, run.Stopping);
        await run.NextCommitAsync(TimeSpan.FromMinutes(1));

        try
        {
            harm(network);
            await sending;
        }
        finally
        {
            (network.Condition, network.Delay) = (Condition.Well, TimeSpan.Zero);
            network.Cut();
        }

        await run.WaitUntilEmptyAsync();
        isOver = true;
        var (mostReceived, dead) = await watching;
        var verdict = await run.FinishAsync();

        var summary = $"{Duration.TotalSeconds:0} s ({Duration / StormSystem.VisibilityTimeout:0} visibility timeouts): {verdict}; "
            + $"received at most {mostReceived} times, {dead} in the dead-letter queue";
        output.WriteLine(summary);
        await run.AssertAsync(verdict.IsGreen && mostReceived <= MostReceives && dead == 0, summary);
    }

    private async Task<(int MostReceived, int Dead)> WatchAsync(StormRun run, Func<bool> isOver)
    {
        var (mostReceived, dead) = (0, 0);
        while (!isOver())
        {
            mostReceived = Math.Max(mostReceived, (await storm.InsideAsync(deadLetters: false, run.Stopping)).MostReceived);
            dead = Math.Max(dead, (await storm.InsideAsync(deadLetters: true, run.Stopping)).Messages);
            await Task.Delay(Duration / 40, run.Stopping);
        }

        return (mostReceived, dead);
    }
}
