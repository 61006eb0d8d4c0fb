using Microsoft.Extensions.Time.Testing;
using PiiMasking.Backing;
using PiiMasking.Testing;

namespace PiiMasking.AppHost.Tests;

public sealed class SupervisedTests : IDisposable
{
    private readonly ScratchFolder scratch = new();
    private readonly List<string> said = [];
    private readonly FakeTimeProvider time = new();
    private int starts;

    public void Dispose() => scratch.Dispose();

    [Fact]
    public async Task A_program_that_is_killed_runs_again_and_the_user_is_told()
    {
        var program = new Supervised(_ => StartAsync("sleep 60"), Say, time);
        await program.StartAsync(default);
        using var stop = new CancellationTokenSource();
        var watch = program.WatchAsync(stop.Token);
        var first = program.Process!;

        first.Send(Signal.Kill);
        await AdvanceUntilAsync(() => program.Process != first && Said().Length >= 2);

        Assert.Contains("script was ended by signal 9", said[0], StringComparison.Ordinal);
        Assert.Contains(first.LogFile, said[0], StringComparison.Ordinal);
        Assert.Equal("script runs again", said[1]);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => watch);
        await program.StopAsync();
    }

    [Fact]
    public async Task A_program_that_ends_again_and_again_is_given_up_with_its_last_words()
    {
        var program = new Supervised(_ => StartAsync("echo no such thing; exit 4"), Say, time);
        await program.StartAsync(default);
        var watch = program.WatchAsync(default);

        await AdvanceUntilAsync(() => watch.IsCompleted);

        var error = await Assert.ThrowsAsync<BackingException>(() => watch);
        Assert.Contains("script has been given up after 5 failures within a minute", error.Message, StringComparison.Ordinal);
        Assert.Contains("no such thing", error.Message, StringComparison.Ordinal);
        Assert.Equal(5, starts);
    }

    [Fact]
    public async Task A_program_is_never_given_up_where_that_was_asked_for()
    {
        var program = new Supervised(_ => StartAsync("exit 4"), Say, time, givesUp: false);
        await program.StartAsync(default);
        using var stop = new CancellationTokenSource();
        var watch = program.WatchAsync(stop.Token);

        await AdvanceUntilAsync(() => starts >= 12);

        Assert.All(Said(), line => Assert.True(line == "script runs again" || line.EndsWith("Starting it again in 0.5 s", StringComparison.Ordinal)));
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => watch);
        await program.StopAsync();
    }

    [Fact]
    public async Task A_program_that_is_killed_again_and_again_is_never_given_up()
    {
        var program = new Supervised(_ => StartAsync("sleep 60"), Say, time);
        await program.StartAsync(default);
        using var stop = new CancellationTokenSource();
        var watch = program.WatchAsync(stop.Token);

        for (var kill = 0; kill < 12; kill++)
        {
            var victim = program.Process!;
            victim.Send(Signal.Kill);
            await AdvanceUntilAsync(() => program.Process != victim);
        }

        Assert.False(watch.IsCompleted);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => watch);
        await program.StopAsync();
    }

    [Fact]
    public async Task A_program_that_does_not_start_again_is_tried_again()
    {
        var tries = 0;
        var program = new Supervised(
            _ => ++tries is 2 or 3 ? throw new BackingException("not yet") : StartAsync("sleep 60"), Say, time);
        await program.StartAsync(default);
        using var stop = new CancellationTokenSource();
        var watch = program.WatchAsync(stop.Token);
        var first = program.Process!;

        first.Send(Signal.Kill);
        await AdvanceUntilAsync(() => program.Process != first);

        Assert.Equal(2, Said().Count(line => line.StartsWith("not yet", StringComparison.Ordinal)));
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => watch);
        await program.StopAsync();
    }

    private void Say(string line)
    {
        lock (said)
            said.Add(line);
    }

    private string[] Said()
    {
        lock (said)
            return [.. said];
    }

    private Task<ChildProcess> StartAsync(string script)
    {
        starts++;
        return Task.FromResult(ChildProcess.Start(new ChildProcessStart
        {
            Name = "script",
            Program = "/bin/sh",
            Arguments = ["-c", script],
            LogFile = scratch["script.log"],
        }));
    }

    private Task AdvanceUntilAsync(Func<bool> condition) => Eventually.HoldsAsync("the supervisor has done its work", () =>
    {
        // So little that a minute of this clock is not over before a busy machine has started a program five times.
        time.Advance(TimeSpan.FromMilliseconds(200));
        return condition();
    });
}
