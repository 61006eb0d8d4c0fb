using Npgsql;
using PiiMasking.Backing;
using PiiMasking.Testing;

namespace PiiMasking.EndToEnd.Tests.Storm;

/// <summary>One run on the system: sends, watches what is committed and deleted, drains, and has it checked.</summary>
internal sealed class StormRun : IAsyncDisposable
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan DrainLimit = TimeSpan.FromMinutes(3);

    private readonly StormSystem storm;
    private readonly Checker checker;
    private readonly CancellationTokenSource ended;
    private readonly Lock gate = new();
    private readonly int firstComponent;
    private readonly DateTimeOffset startedAt = TimeProvider.System.GetUtcNow();
    private Counts before = new(0, 0, 0, 0, 0, 0, 0);
    private Task watching = Task.CompletedTask;
    private long lastEntry;
    private bool isChecked;
    private long quietSince = TimeProvider.System.GetTimestamp();
    private string lastHarm = "nothing";

    private StormRun(StormSystem storm, CancellationToken stopping)
    {
        this.storm = storm;
        checker = new Checker(storm.OwnerConnectionString, storm.System.Secrets);
        ended = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        firstComponent = storm.System.Component.Process!.Id;
        Sent = new SentList(Guid.NewGuid().ToString("n")[..8]);
        Producer = new Producer(storm.System.QueueEndpoint, Sent);
    }

    public SentList Sent { get; }

    public Producer Producer { get; }

    public StormSystem Storm => storm;

    /// <summary>The ledger's last entry, as of a tenth of a second ago. Grows with each commit.</summary>
    public long LastEntry => Volatile.Read(ref lastEntry);

    public CancellationToken Stopping => ended.Token;

    /// <summary>Starts on a system that has nothing to do.</summary>
    public static async Task<StormRun> StartAsync(StormSystem storm, CancellationToken stopping)
    {
        await storm.EnsureAsync();
        var run = new StormRun(storm, stopping);
        try
        {
            // What a test that failed has left behind is not this one's.
            await run.WaitUntilEmptyAsync();
            await run.DrainAsync();
            run.before = await run.checker.CountAsync(await run.DeletedBeforeAsync(stopping), stopping);
            run.watching = run.WatchAsync();
            return run;
        }
        catch
        {
            await run.DisposeAsync();
            throw;
        }
    }

    /// <summary>Sends this many, as fast as the queue takes them.</summary>
    public Task SendAsync(int messages) => Producer.SendAsync(messages, TimeSpan.Zero, () => false, Stopping);

    /// <summary>The longest time without a commit in which no fault began or ended, and the fault before it.</summary>
    public (TimeSpan Took, string After) SlowestRecovery { get; private set; } = (TimeSpan.Zero, "nothing");

    /// <summary>A fault begins or ends: recovery is counted from now.</summary>
    public void Harmed(string what)
    {
        lock (gate)
            (quietSince, lastHarm) = (TimeProvider.System.GetTimestamp(), what);
    }

    /// <summary>Waits for the next commit.</summary>
    public async Task NextCommitAsync(TimeSpan limit)
    {
        var entry = LastEntry;
        await Eventually.HoldsAsync("something is committed", () => LastEntry > entry || watching.IsFaulted, limit, Stopping);
        if (watching.IsFaulted)
            await watching;
    }

    /// <summary>Waits until the queue is empty, drains the dead-letter queue through its own topic, and checks.</summary>
    public async Task<Verdict> FinishAsync()
    {
        await WaitUntilEmptyAsync();
        await DrainAsync();

        // The last deletions are counted a moment after the queue has done them.
        var isWhole = storm.System.Component.Process!.Id == firstComponent;
        Counts since = before;
        for (var tries = 0; tries < 50; tries++)
        {
            since = await checker.CountAsync(await storm.DeletedAsync(Stopping), Stopping) - before;
            if (!isWhole || since.Deleted == since.LedgerAccounted)
                break;
            await Task.Delay(LookEvery, Stopping);
        }

        var verdict = await checker.CheckAsync(Sent, since, isWhole, Stopping);
        isChecked = true;
        return verdict;
    }

    /// <summary>Fails with a summary, and keeps all logs, unless everything is as it has to be.</summary>
    /// <remarks>What the programs said around the first messages that were done again comes with it: a machine of CI keeps no files.</remarks>
    public async Task AssertAsync(bool isRight, string summary)
    {
        isChecked = isRight;
        if (isRight)
            return;
        var moments = await checker.RepeatedAtAsync(startedAt, Stopping);
        Xunit.Assert.Fail(string.Join('\n', [summary, .. moments.Take(2).SelectMany(moment => storm.LogsAround(moment))]));
    }

    public async ValueTask DisposeAsync()
    {
        if (!isChecked || Environment.GetEnvironmentVariable("STORM_LOGS") == "1")
            TestContext.Current.SendDiagnosticMessage($"All logs are in {storm.KeepLogs()}");
        await ended.CancelAsync();
        await watching.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Producer.Dispose();
        ended.Dispose();
    }

    /// <summary>What the component counts once it counts no more: the queue is empty a moment before the component knows what it has deleted.</summary>
    private async Task<long?> DeletedBeforeAsync(CancellationToken stopping)
    {
        const int looks = 5;
        var (deleted, same) = ((long?)null, 0);
        await Eventually.HoldsAsync(
            "the component has counted",
            async () =>
            {
                var now = await storm.DeletedAsync(stopping);
                same = now is not null && now == deleted ? same + 1 : 0;
                deleted = now;
                await Task.Delay(LookEvery, stopping);
                return same >= looks;
            },
            stopping: stopping);
        return deleted;
    }

    /// <summary>Waits until the queue is empty.</summary>
    public Task WaitUntilEmptyAsync() => WaitUntilEmptyAsync(deadLetters: false);

    /// <summary>Waits for as long as there are fewer from time to time.</summary>
    private async Task WaitUntilEmptyAsync(bool deadLetters)
    {
        var (fewest, since) = (int.MaxValue, TimeProvider.System.GetTimestamp());
        while (await TryCountAsync(deadLetters) is not 0 and var count)
        {
            if (count < fewest)
                (fewest, since) = (count.Value, TimeProvider.System.GetTimestamp());
            else if (TimeProvider.System.GetElapsedTime(since) > DrainLimit)
                throw new TimeoutException($"For {DrainLimit.TotalMinutes} minutes there have not been fewer than {fewest} messages in the queue (dead letters: {deadLetters}).");
            await Task.Delay(LookEvery, Stopping);
        }
    }

    private async Task<int?> TryCountAsync(bool deadLetters)
    {
        try
        {
            return await storm.CountAsync(deadLetters, Stopping);
        }
        catch (Exception away) when (away is HttpRequestException or IOException)
        {
            return null;
        }
    }

    private async Task DrainAsync()
    {
        if (await storm.CountAsync(deadLetters: true, Stopping) == 0)
            return;
        await storm.DrainDeadLettersAsync(true, Stopping);
        await WaitUntilEmptyAsync(deadLetters: true);
    }

    private void Seen(long entry)
    {
        lock (gate)
        {
            if (entry == lastEntry)
                return;
            var took = TimeProvider.System.GetElapsedTime(quietSince);
            if (lastEntry > 0 && took > SlowestRecovery.Took)
                SlowestRecovery = (took, lastHarm);
            quietSince = TimeProvider.System.GetTimestamp();
        }

        Volatile.Write(ref lastEntry, entry);
    }

    private async Task WatchAsync()
    {
        while (true)
        {
            try
            {
                await using var connection = new NpgsqlConnection(
                    new NpgsqlConnectionStringBuilder(storm.OwnerConnectionString) { Pooling = false, Timeout = 3, CommandTimeout = 3 }.ConnectionString);
                await connection.OpenAsync(Stopping);
                await using var command = new NpgsqlCommand("SELECT coalesce(max(entry_id), 0) FROM ledger", connection);
                while (true)
                {
                    Seen((long)(await command.ExecuteScalarAsync(Stopping))!);
                    await storm.ThrowIfBrokenAsync();
                    await Task.Delay(LookEvery, Stopping);
                }
            }
            catch (Exception away) when (away is NpgsqlException or TimeoutException or OperationCanceledException && !Stopping.IsCancellationRequested)
            {
                await Task.Delay(LookEvery, Stopping);
            }
        }
    }
}
