using System.Diagnostics;

namespace PiiMasking.Backing;

/// <summary>Waits for a program that was just started.</summary>
public static class Readiness
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(25);

    /// <summary>Asks until the answer is yes, the process ends, or the time is over.</summary>
    /// <param name="process">What is waited for.</param>
    /// <param name="limit">How long.</param>
    /// <param name="isReady">The question; an <see cref="IOException"/>, <see cref="HttpRequestException"/> or time-out means no.</param>
    /// <param name="stopping">Ends the wait.</param>
    /// <exception cref="BackingException">It ended, or was not ready in time; names its log file.</exception>
    public static async Task WaitAsync(ChildProcess process, TimeSpan limit, Func<Task<bool>> isReady, CancellationToken stopping)
    {
        ArgumentNullException.ThrowIfNull(process);
        ArgumentNullException.ThrowIfNull(isReady);

        for (var watch = Stopwatch.StartNew(); watch.Elapsed < limit; await Task.WhenAny(process.Exited, Task.Delay(Interval, stopping)))
        {
            stopping.ThrowIfCancellationRequested();
            if (process.Exited.IsCompleted)
                throw Ended(process, await process.Exited);
            if (await AnswersAsync(isReady, stopping))
                return;
        }

        throw new BackingException($"{process.Name} was not ready within {limit.TotalSeconds:0} s. Its output: {process.LogFile}");
    }

    /// <returns>What to say about a process that ended by itself: its last line and its log file.</returns>
    public static BackingException Ended(ChildProcess process, int exitCode)
    {
        ArgumentNullException.ThrowIfNull(process);
        const int signalled = 128;
        var how = exitCode > signalled ? $"was ended by signal {exitCode - signalled}" : $"ended with exit code {exitCode}";
        // What it said before a signal is not the reason.
        var why = exitCode <= signalled && process.LastLines(1) is [var line] ? $": {line.Trim().TrimEnd('.')}" : "";
        return new BackingException($"{process.Name} {how}{why}. Its output: {process.LogFile}");
    }

    private static async Task<bool> AnswersAsync(Func<Task<bool>> isReady, CancellationToken stopping)
    {
        try
        {
            return await isReady();
        }
        catch (Exception error) when (error is HttpRequestException or IOException or TimeoutException)
        {
            return false;
        }
        catch (OperationCanceledException) when (!stopping.IsCancellationRequested)
        {
            return false;
        }
    }
}
