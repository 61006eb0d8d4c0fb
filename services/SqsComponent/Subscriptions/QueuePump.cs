using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;
using PiiMasking.SqsComponent.Counters;
using PiiMasking.SqsComponent.Instances;
using PiiMasking.SqsComponent.Queues;

namespace PiiMasking.SqsComponent.Subscriptions;

/// <summary>
/// Moves the messages of one queue: receives, hands over, hides, deletes, gives back. One loop owns all state; streams
/// and finished requests post to it, and requests run beside it. What to do is decided by <see cref="Holdings"/> and
/// <see cref="ReceivePlan"/>.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "The source has no timer, and is cancelled after the loop has ended if need be.")]
internal sealed class QueuePump
{
    // Of a kind: enough for ten thousand messages a second at ten milliseconds a request.
    private const int MostRequests = 12;

    private static readonly Backoff RequestBackoff = Backoff.Between(TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(10));

    private readonly SqsQueue queue;
    private readonly SqsSettings settings;
    private readonly MessageCounters counters;
    private readonly TimeProvider time;
    private readonly ILogger logger;
    private readonly Func<CancellationToken, Task> findQueueAgain;

    private readonly Channel<Action> events =
        Channel.CreateBounded<Action>(new BoundedChannelOptions(4096) { SingleReader = true });

    private readonly CancellationTokenSource abort = new();
    private readonly TaskCompletionSource drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<Subscription> streams = [];
    private readonly List<TaskCompletionSource> awaitingAnswers = [];
    private readonly Holdings holdings;
    private readonly ReceivePlan plan;
    private readonly RequestLane deletes = new(MostRequests, RequestBackoff);
    private readonly RequestLane returns = new(MostRequests, RequestBackoff);
    private readonly RequestLane renewals = new(MostRequests, RequestBackoff);
    private readonly Trouble trouble;
    private readonly ITimer timer;
    private readonly long startedAt;
    private readonly Task loop;

    private bool paused;
    private bool stopping;
    private bool finishing;
    private bool retired;
    private int requests;
    private TimeSpan? deserted;

    public QueuePump(
        SqsQueue queue,
        SqsSettings settings,
        MessageCounters counters,
        TimeProvider time,
        ILogger<QueuePump> logger,
        Func<CancellationToken, Task> findQueueAgain)
    {
        this.queue = queue;
        this.settings = settings;
        this.counters = counters;
        this.time = time;
        this.logger = logger;
        this.findQueueAgain = findQueueAgain;
        holdings = new Holdings(queue.Name, settings, Backoff.Between(settings.RetryBackoffMin, settings.RetryBackoffMax));
        plan = new ReceivePlan(settings, RequestBackoff);
        trouble = new Trouble(queue.Name, logger);
        startedAt = time.GetTimestamp();
        timer = time.CreateTimer(_ => events.Writer.TryWrite(() => { }), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        loop = Task.Run(RunAsync);
    }

    /// <summary>Ends when the pump has finished, or with our own mistake.</summary>
    public Task Completion => loop;

    private TimeSpan Now => time.GetElapsedTime(startedAt);

    /// <summary>Until when a stream that comes back goes on with what is held.</summary>
    private TimeSpan? KeepUntil => deserted + holdings.KeepFor;

    public async ValueTask OpenAsync(Subscription stream, CancellationToken stopping)
    {
        if (!await PostAsync(Open, stopping))
            stream.End();

        void Open()
        {
            if (this.stopping)
            {
                stream.End();
                return;
            }

            streams.Add(stream);
            deserted = null;
            holdings.StreamOpened(Now);
        }
    }

    /// <summary>The stream has ended. What it had stays here, hidden, for the next one, for a while.</summary>
    public async ValueTask CloseAsync(Subscription stream) => await PostAsync(
        () =>
        {
            if (!streams.Remove(stream))
                return;
            holdings.Abandon(stream.Window, Now);
            if (streams.Count == 0)
                deserted = Now;
        },
        CancellationToken.None);

    public async ValueTask AnswerAsync(Subscription stream, string token, bool succeeded, CancellationToken stopping) => await PostAsync(
        () =>
        {
            if (holdings.Answer(token, stream.Window, succeeded, Now) is not { } outcome)
            {
                logger.UnknownAnswer(queue.Name);
                return;
            }

            if (outcome.OutageBegan)
                logger.NothingGetsThrough(queue.Name, holdings.Count);
            if (outcome.OutageEnded)
                logger.GetsThroughAgain(queue.Name, holdings.Count);
            if (outcome.GivenUp > 0)
                logger.GivenUp(queue.Name);
        },
        stopping);

    public async ValueTask PauseAsync(bool pause, CancellationToken stopping) => await PostAsync(() => paused = pause, stopping);

    /// <summary>Ends when no stream has anything that is not answered.</summary>
    public async Task AllAnsweredAsync(CancellationToken giveUp)
    {
        var answered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        if (await PostAsync(() => awaitingAnswers.Add(answered), giveUp))
            await answered.Task.WaitAsync(giveUp);
    }

    /// <summary>When the oldest message was sent that is here and not finished; null if there is none, or the pump has finished.</summary>
    public async Task<DateTimeOffset?> OldestSentAtAsync()
    {
        var answer = new TaskCompletionSource<DateTimeOffset?>(TaskCreationOptions.RunContinuationsAsynchronously);
        if (!await PostAsync(() => answer.SetResult(holdings.OldestSentAt), CancellationToken.None))
            return null;
        // The loop may have ended between the two.
        await Task.WhenAny(answer.Task, loop);
        return answer.Task.IsCompletedSuccessfully ? await answer.Task : null;
    }

    /// <summary>Another pump reads the queue from now on: when the last stream has ended, this one finishes.</summary>
    public async ValueTask RetireAsync() => await PostAsync(() => retired = true, CancellationToken.None);

    /// <summary>
    /// Stops receiving and handing over, and gives back what no stream has. Ends when nothing is left to be answered.
    /// </summary>
    public async Task DrainAsync(CancellationToken giveUp)
    {
        await PostAsync(() => stopping = true, CancellationToken.None);
        await drained.Task.WaitAsync(giveUp);
    }

    /// <summary>Gives everything back, ends the streams, and ends when SQS has confirmed it all, or at once when told to.</summary>
    public async Task FinishAsync(CancellationToken giveUp)
    {
        await PostAsync(() => stopping = finishing = true, CancellationToken.None);
        try
        {
            await loop.WaitAsync(giveUp);
        }
        catch (OperationCanceledException) when (giveUp.IsCancellationRequested)
        {
            await abort.CancelAsync();
            await PostAsync(() => { }, CancellationToken.None);
            await loop;
        }
    }

    /// <returns>False when the pump has finished, and with it whatever this was about.</returns>
    private async ValueTask<bool> PostAsync(Action what, CancellationToken stopping)
    {
        try
        {
            await events.Writer.WriteAsync(what, stopping);
            return true;
        }
        catch (ChannelClosedException)
        {
            return false;
        }
    }

    private async Task RunAsync()
    {
        try
        {
            while (!(finishing && requests == 0 && (abort.IsCancellationRequested || holdings.IsEmpty)))
            {
                await events.Reader.WaitToReadAsync();
                while (events.Reader.TryRead(out var happened))
                    happened();
                Advance();
            }

            if (!holdings.IsEmpty)
                logger.LeftBehind(queue.Name, holdings.Count, settings.VisibilityTimeout);
        }
        catch (Exception mistake)
        {
            logger.PumpFailed(mistake, queue.Name);
            foreach (var stream in streams)
                stream.End(mistake);
            throw;
        }
        finally
        {
            events.Writer.TryComplete();
            drained.TrySetResult();
            TellAllAnswered();
            await timer.DisposeAsync();
        }
    }

    /// <summary>Does everything that can be done now, and sees to being woken when more can.</summary>
    private void Advance()
    {
        if (abort.IsCancellationRequested)
            return;
        var now = Now;
        if (retired && streams.Count == 0)
            stopping = finishing = true;
        if (now >= KeepUntil)
        {
            // Nobody came back for them: let another consumer have them.
            holdings.GiveBack(inFlightToo: false, now);
        }

        if (stopping)
            Stop(now);
        HandOver(now);
        Delete(now);
        Return(now);
        Renew(now);
        Receive(now);
        SetTimer(now);
        if (holdings.InFlightCount == 0)
            TellAllAnswered();
    }

    private void TellAllAnswered()
    {
        foreach (var waiting in awaitingAnswers)
            waiting.TrySetResult();
        awaitingAnswers.Clear();
    }

    private void Stop(TimeSpan now)
    {
        holdings.GiveBack(finishing, now);
        if (holdings.InFlightCount == 0)
            drained.TrySetResult();
        if (!finishing)
            return;
        foreach (var stream in streams)
            stream.End();
        streams.Clear();
    }

    private void HandOver(TimeSpan now)
    {
        if (paused || stopping)
            return;
        // Round robin by load: several streams share the queue evenly.
        while (streams.Count > 0)
        {
            var handed = false;
            foreach (var stream in streams.Count == 1 ? streams : [.. streams.OrderBy(stream => stream.Window.Messages)])
            {
                if (holdings.Take(stream.Window, now, plan.MoreComing) is not { } handover)
                    continue;
                foreach (var message in handover.Messages)
                    counters.HandedOver(message.Id);
                stream.HandOver(handover);
                handed = true;
                break;
            }

            if (!handed)
                return;
        }
    }

    private void Delete(TimeSpan now)
    {
        while (deletes.IsFree(now) && holdings.TakeDeletions(now, all: stopping) is { Count: > 0 } messages)
        {
            var handles = messages.Select(message => message.ReceiptHandle).ToArray();
            Start(Operation.Delete, deletes, messages.Count, stop => queue.DeleteAsync(handles, stop), (i, outcome) =>
            {
                if (holdings.Deleted(messages[i], handles[i], outcome, Now))
                    counters.Deleted(messages[i].Id);
                else if (outcome == EntryOutcome.HandleIsStale)
                    logger.DeletedTooLate(queue.Name, messages[i].Id);
            });
        }
    }

    private void Return(TimeSpan now)
    {
        while (returns.IsFree(now) && holdings.TakeReturns() is { Count: > 0 } messages)
        {
            var entries = messages
                .Select(message => (message.ReceiptHandle, (int)Math.Ceiling(message.HideFor.TotalSeconds)))
                .ToArray();
            Start(Operation.GiveBack, returns, messages.Count, stop => queue.HideAsync(entries, stop), (i, outcome) =>
            {
                if (holdings.Returned(messages[i], outcome))
                    counters.GivenBack(messages[i].Id);
            });
        }
    }

    private void Renew(TimeSpan now)
    {
        while (!finishing && renewals.IsFree(now) && holdings.TakeRenewals(now) is { Count: > 0 } messages)
        {
            var entries = messages
                .Select(message => (message.ReceiptHandle, (int)settings.VisibilityTimeout.TotalSeconds))
                .ToArray();
            Start(Operation.Renew, renewals, messages.Count, stop => queue.HideAsync(entries, stop), (i, outcome) =>
            {
                if (!holdings.Renewed(messages[i], entries[i].ReceiptHandle, outcome, now))
                    logger.RenewalRefused(queue.Name, messages[i].Id);
            });
        }
    }

    private void Receive(TimeSpan now)
    {
        if (paused || stopping)
            return;
        if (holdings.Unconfirmed >= settings.MaxOutstandingMessages)
            return;
        if (holdings.Blocked)
        {
            if (holdings.WantsFreshProbe && plan.NextProbe(holdings.Count, streams.Count, now) is { } probe)
                Start(probe);
            return;
        }

        while (plan.Next(holdings.Count, holdings.Bytes, streams.Count, now) is { } request)
            Start(request);
    }

    private void Start(ReceiveRequest request) => Start(
        Operation.Receive,
        stop => queue.ReceiveAsync(request.Messages, stop),
        messages =>
        {
            var largest = 0L;
            foreach (var message in messages)
            {
                largest = Math.Max(largest, message.Body.Length);
                counters.Received(message.Id);
                var receipt = holdings.Receive(message, Now);
                if (receipt == Receipt.TooLarge)
                    logger.TooLarge(queue.Name, message.Id, message.Body.Length);
                else if (receipt != Receipt.New)
                    logger.ReceivedAgain(queue.Name, message.Id);
            }

            plan.Received(request, messages.Count, largest);
        },
        fault =>
        {
            plan.Failed(request, Now);
            if (SqsFaults.IsMissingQueue(fault))
                Start(Operation.FindQueue, FoundAgainAsync, _ => { }, _ => { });
        });

    private async Task<bool> FoundAgainAsync(CancellationToken stop)
    {
        await findQueueAgain(stop);
        return true;
    }

    /// <summary>A request about several messages; when it fails as a whole, so does each of its entries.</summary>
    private void Start(
        Operation operation,
        RequestLane lane,
        int entries,
        Func<CancellationToken, Task<EntryOutcome[]>> request,
        Action<int, EntryOutcome> ended)
    {
        lane.Started();
        Start(operation, request, Ended, fault =>
        {
            var outcome = SqsFaults.IsMissingQueue(fault) ? EntryOutcome.HandleIsStale : EntryOutcome.Failed;
            Ended(Enumerable.Repeat(outcome, entries).ToArray());
        });

        void Ended(EntryOutcome[] outcomes)
        {
            lane.Ended(outcomes, Now);
            for (var i = 0; i < entries; i++)
                ended(i, outcomes[i]);
        }
    }

    /// <summary>Runs a request beside the loop, and its ending on it.</summary>
    private void Start<T>(
        Operation operation, Func<CancellationToken, Task<T>> request, Action<T> succeeded, Action<Exception> failed)
    {
        requests++;
        _ = RunAsync();

        // Awaited by the loop, which does not end before every request has posted its ending.
        async Task RunAsync()
        {
            Action ending;
            try
            {
                // The answer may come at once; the loop must get on with its turn first.
                await Task.Yield();
                var result = await request(abort.Token);
                ending = () =>
                {
                    trouble.Over(operation);
                    succeeded(result);
                };
            }
            catch (Exception fault)
            {
                ending = () =>
                {
                    if (!SqsFaults.IsOutside(fault) && fault is not QueueMissingException)
                        throw new InvalidOperationException($"{operation} failed by a mistake of ours", fault);
                    if (!abort.IsCancellationRequested)
                        trouble.Happened(operation, fault, Now);
                    failed(fault);
                };
            }

            await PostAsync(
                () =>
                {
                    requests--;
                    ending();
                },
                CancellationToken.None);
        }
    }

    private void SetTimer(TimeSpan now)
    {
        TimeSpan? next = null;
        void Consider(TimeSpan? at)
        {
            // What is due already waits for an event, not for the clock.
            if (at > now && (next is null || at < next))
                next = at;
        }

        if (!stopping && !paused)
        {
            foreach (var stream in streams)
                Consider(holdings.NextTakeAt(stream.Window, plan.MoreComing));
            Consider(plan.NextAt);
        }

        if (!finishing)
            Consider(holdings.NextRenewalAt);
        Consider(holdings.NextDeletionAt);
        Consider(deletes.NotBefore);
        Consider(returns.NotBefore);
        Consider(renewals.NotBefore);
        Consider(KeepUntil);
        // A moment late, so that what was waited for is due then.
        timer.Change(
            next is { } due ? due - now + TimeSpan.FromMilliseconds(1) : Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }
}
