using PiiMasking.Backing;

namespace PiiMasking.AppHost;

/// <summary>A program of the system that is started again when it ends by itself.</summary>
/// <param name="start">Starts it, and completes when it is ready. Leaves nothing behind when it throws.</param>
/// <param name="say">Told, in a line, that it ended and is started again.</param>
/// <param name="time">Spaces the tries.</param>
/// <param name="givesUp">False starts it again after half a second, however often it ends.</param>
internal sealed class Supervised(
    Func<CancellationToken, Task<ChildProcess>> start, Action<string> say, TimeProvider time, bool givesUp = true)
{
    private const int MostDeaths = 5;
    private const int KilledExitCode = 128 + (int)Signal.Kill;
    private static readonly TimeSpan Memory = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan ShortestDelay = TimeSpan.FromSeconds(0.5);

    private readonly Queue<DateTimeOffset> deaths = new();

    /// <summary>The process that runs now or ran last; null before the first start.</summary>
    public ChildProcess? Process { get; private set; }

    /// <summary>Starts it for the first time.</summary>
    /// <exception cref="BackingException">It does not start. Not tried again.</exception>
    public async Task StartAsync(CancellationToken stopping) => Process = await start(stopping);

    /// <summary>Starts it again whenever it ends, at longer and longer intervals.</summary>
    /// <param name="stopping">Ends the watch; the process goes on.</param>
    /// <exception cref="BackingException">It ended by itself, or did not start, five times within a minute.</exception>
    public async Task WatchAsync(CancellationToken stopping)
    {
        if (Process is null)
            throw new InvalidOperationException("It has not been started.");
        while (true)
        {
            var exitCode = await Process.Exited.WaitAsync(stopping);
            // Killed by somebody: that says nothing about the program, however often it happens.
            if (exitCode == KilledExitCode)
                deaths.Clear();
            await StartAgainAsync(Readiness.Ended(Process, exitCode), stopping);
        }
    }

    /// <summary>Stops it, if it runs.</summary>
    public async Task StopAsync()
    {
        if (Process is not null)
            await Process.DisposeAsync();
    }

    private async Task StartAgainAsync(BackingException reason, CancellationToken stopping)
    {
        for (var name = Process!.Name; ;)
        {
            var delay = NextDelay()
                ?? throw new BackingException($"{name} has been given up after {MostDeaths} failures within a minute. The last: {reason.Message}");
            say($"{reason.Message}. Starting it again in {delay.TotalSeconds:0.#} s");
            await Task.Delay(delay, time, stopping);
            try
            {
                await StartAsync(stopping);
                say($"{name} runs again");
                return;
            }
            catch (BackingException error)
            {
                reason = error;
            }
        }
    }

    /// <returns>0.5 s, doubled with each failure of the last minute; null at the fifth.</returns>
    private TimeSpan? NextDelay()
    {
        if (!givesUp)
            return ShortestDelay;
        var now = time.GetUtcNow();
        deaths.Enqueue(now);
        while (now - deaths.Peek() > Memory)
            deaths.Dequeue();
        return deaths.Count < MostDeaths ? ShortestDelay * Math.Pow(2, deaths.Count - 1) : null;
    }
}
