using System.Diagnostics;

namespace PiiMasking.Testing;

/// <summary>Waits for what another process, or another thread, is about to bring about.</summary>
public static class Eventually
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan DefaultLimit = TimeSpan.FromMinutes(1);

    /// <summary>Waits until the condition holds.</summary>
    /// <param name="what">The condition in words: "the queue is empty".</param>
    /// <param name="condition">An exception means "not yet", and is told if the time runs out.</param>
    /// <param name="limit">A minute if null.</param>
    /// <param name="stopping">Ends the wait.</param>
    /// <exception cref="TimeoutException">It did not come about; says what, how long, and the last exception.</exception>
    public static Task HoldsAsync(
        string what, Func<Task<bool>> condition, TimeSpan? limit = null, CancellationToken stopping = default) =>
        PollAsync(what, condition, met => met, limit, stopping);

    /// <inheritdoc cref="HoldsAsync(string, Func{Task{bool}}, TimeSpan?, CancellationToken)" />
    /// <param name="what">The condition in words.</param>
    /// <param name="condition">An exception means "not yet".</param>
    /// <param name="evidence">Asked for if the time runs out, and told: what a reader needs to find out why, such as the end of a log.</param>
    /// <param name="limit">A minute if null.</param>
    /// <param name="stopping">Ends the wait.</param>
    public static async Task HoldsAsync(
        string what, Func<Task<bool>> condition, Func<string> evidence, TimeSpan? limit = null, CancellationToken stopping = default)
    {
        try
        {
            await HoldsAsync(what, condition, limit, stopping);
        }
        catch (TimeoutException late)
        {
            throw new TimeoutException($"{late.Message}\n{evidence()}", late);
        }
    }

    /// <inheritdoc cref="HoldsAsync(string, Func{Task{bool}}, TimeSpan?, CancellationToken)" />
    public static Task HoldsAsync(string what, Func<bool> condition, TimeSpan? limit = null, CancellationToken stopping = default) =>
        PollAsync(what, () => Task.FromResult(condition()), met => met, limit, stopping);

    /// <summary>Waits until a value is the expected one.</summary>
    /// <param name="what">The value in words: "rows in user_logins".</param>
    /// <param name="expected">What it should become.</param>
    /// <param name="actual">Reads it; an exception means "not yet".</param>
    /// <param name="limit">A minute if null.</param>
    /// <param name="stopping">Ends the wait.</param>
    /// <exception cref="TimeoutException">Says what it was last.</exception>
    public static Task EqualsAsync<T>(
        string what, T expected, Func<Task<T>> actual, TimeSpan? limit = null, CancellationToken stopping = default) =>
        PollAsync($"{what} should be {expected}", actual, value => EqualityComparer<T>.Default.Equals(value, expected), limit, stopping);

    private static async Task PollAsync<T>(
        string what, Func<Task<T>> read, Func<T, bool> isMet, TimeSpan? limit, CancellationToken stopping)
    {
        var allowed = limit ?? DefaultLimit;
        var watch = Stopwatch.StartNew();
        object? last = null;
        Exception? failure = null;
        do
        {
            try
            {
                var value = await read();
                if (isMet(value))
                    return;
                (last, failure) = (value, null);
            }
            catch (Exception error) when (error is not OperationCanceledException || !stopping.IsCancellationRequested)
            {
                failure = error;
            }

            await Task.Delay(Interval, stopping);
        }
        while (watch.Elapsed < allowed);

        throw new TimeoutException(
            $"Not within {allowed.TotalSeconds:0.#} s: {what}. Last: {(failure is null ? last : $"{failure.GetType().Name}: {failure.Message}")}", failure);
    }
}
