using System.Diagnostics;
using Amazon.Runtime;
using Npgsql;
using PiiMasking.Backing;

namespace PiiMasking.AppHost;

/// <summary>How far it is, for the user to watch.</summary>
/// <param name="Sent">Messages on the queue so far.</param>
/// <param name="Queue">What is there.</param>
/// <param name="Since">What the ledger has counted since the start.</param>
internal readonly record struct Progress(int Sent, LoginQueueDepth Queue, Totals Since);

/// <summary>What became of the messages of this run.</summary>
/// <param name="Sent">What was sent.</param>
/// <param name="Fate">Where it is.</param>
/// <param name="Queue">What is still on the queue.</param>
/// <param name="Took">From the first message sent to the last one accounted for.</param>
internal sealed record DeliveryResult(SampleTally Sent, Fate Fate, LoginQueueDepth Queue, TimeSpan Took)
{
    /// <summary>Every message is stored or in quarantine, and both queues are empty.</summary>
    public bool IsComplete => Fate.Stored + Fate.Quarantined == Sent.Messages && Queue.IsEmpty;

    /// <summary>The duplicates found are those that were sent, as far as that is known.</summary>
    public bool FoundTheDuplicates =>
        !Sent.IsKnown || (Fate.RepeatedAddresses == Sent.RepeatedAddresses && Fate.RepeatedDevices == Sent.RepeatedDevices);
}

/// <summary>Sends messages and watches until each of them is stored or in quarantine.</summary>
internal sealed class Delivery(LoginQueue queue, Database database, TimeProvider time)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(150);

    /// <summary>Longer than a lost delivery takes to show on the queue again, and a restarted sidecar to be noticed.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly SampleTally tally = new();
    private readonly List<Guid> ids = [];

    /// <param name="samples">What to send.</param>
    /// <param name="report">Told several times a second.</param>
    /// <param name="stopping">Ends it.</param>
    /// <returns>What became of them: complete, or what was to be seen when nothing had moved for two minutes.</returns>
    public async Task<DeliveryResult> RunAsync(IAsyncEnumerable<Sample> samples, Action<Progress> report, CancellationToken stopping)
    {
        var before = await database.TotalsAsync(stopping);
        var took = Stopwatch.StartNew();
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        var sending = SendAsync(samples, ended.Token);
        try
        {
            return await WatchAsync(sending, before, took, report, stopping);
        }
        finally
        {
            await ended.CancelAsync();
            await sending.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private Task SendAsync(IAsyncEnumerable<Sample> samples, CancellationToken stopping)
    {
        var bodies = samples.Select(sample =>
        {
            tally.Add(sample);
            return sample.Body;
        });
        return queue.SendAsync(
            bodies,
            batch =>
            {
                lock (ids)
                    ids.AddRange(batch);
            },
            stopping);
    }

    private async Task<DeliveryResult> WatchAsync(
        Task sending, Totals before, Stopwatch took, Action<Progress> report, CancellationToken stopping)
    {
        Progress last = default;
        var unchanged = Stopwatch.StartNew();
        while (true)
        {
            if (sending.IsFaulted)
                await sending;
            if (await TryLookAsync(before, stopping) is { } now)
            {
                report(now);
                if (now != last)
                    unchanged.Restart();
                last = now;

                var isOver = sending.IsCompletedSuccessfully && (now.Queue is { Waiting: 0, InWork: 0 } || unchanged.Elapsed > Patience);
                if (isOver && await database.FateOfAsync(ids, stopping) is var fate)
                {
                    var result = new DeliveryResult(tally, fate, now.Queue, took.Elapsed);
                    if (result.IsComplete || unchanged.Elapsed > Patience || now.Queue.Dead > 0)
                        return result;
                }
            }
            else if (unchanged.Elapsed > Patience)
            {
                throw new BackingException("Neither the queue nor the database has answered for two minutes: look into the logs.");
            }

            await Task.Delay(Interval, time, stopping);
        }
    }

    /// <returns>Null while the queue or the database is away; both come back.</returns>
    private async Task<Progress?> TryLookAsync(Totals before, CancellationToken stopping)
    {
        try
        {
            var depth = await queue.DepthAsync(stopping);
            var since = await database.TotalsAsync(stopping) - before;
            lock (ids)
                return new Progress(ids.Count, depth, since);
        }
        catch (Exception error) when (error is NpgsqlException or AmazonServiceException or HttpRequestException)
        {
            return null;
        }
    }
}
