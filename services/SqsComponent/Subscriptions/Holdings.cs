using System.Globalization;
using PiiMasking.SqsComponent.Batches;
using PiiMasking.SqsComponent.Instances;
using PiiMasking.SqsComponent.Queues;

namespace PiiMasking.SqsComponent.Subscriptions;

/// <summary>What became of a message that was received.</summary>
internal enum Receipt
{
    New,

    /// <summary>It is here already: its newer receipt handle is kept, and it is handed over once.</summary>
    HeldAlready,

    /// <summary>It was acknowledged, but its deletion came too late: it is deleted, not handed over again.</summary>
    AcknowledgedAlready,

    /// <summary>It does not fit into any batch, and is left to the queue's redrive policy.</summary>
    TooLarge,
}

/// <summary>What became of the messages of one answer.</summary>
internal readonly record struct AnswerOutcome(bool OutageBegan, bool OutageEnded, int GivenUp);

/// <summary>
/// Every message of one queue that this process received and has not finished, and all decisions about them: what goes
/// out when and to whom, what is renewed, deleted, given back. Pure: it does nothing itself, and the clock is an argument
/// (monotonic, from any start). Not thread-safe; <see cref="QueuePump"/> calls it from its loop.
/// </summary>
internal sealed class Holdings(string queue, SqsSettings settings, Backoff backoff)
{
    public const int RequestEntries = 10;

    /// <summary>How long an acknowledgement waits for others to be deleted with.</summary>
    public static readonly TimeSpan DeleteWait = TimeSpan.FromMilliseconds(40);

    // Blamed so often for its failures, a message is left to the queue's redrive policy.
    private const int BlamesUntilGivenUp = 3;

    // In an outage a new message is fetched for the next probe once each that is here has failed alone so often.
    private const int FailuresUntilFreshProbe = 2;

    // A queue may hand out a message again after its deletion; so many deletions are remembered.
    private const int RememberedIds = 1 << 16;

    private static readonly TimeSpan EntryRetryWait = TimeSpan.FromSeconds(1);

    private static readonly IComparer<HeldMessage> ByDueAt = Comparer<HeldMessage>.Create(
        (a, b) => a.DueAt != b.DueAt ? a.DueAt.CompareTo(b.DueAt) : a.Sequence.CompareTo(b.Sequence));

    private static readonly IComparer<HeldMessage> ByRenewAt = Comparer<HeldMessage>.Create(
        (a, b) => a.RenewAt != b.RenewAt ? a.RenewAt.CompareTo(b.RenewAt) : a.Sequence.CompareTo(b.Sequence));

    private readonly string source = CloudEventsBatch.SourceOf(queue);
    private readonly Outage outage = new(backoff);
    private readonly Dictionary<string, HeldMessage> byId = new(StringComparer.Ordinal);
    private readonly LinkedList<HeldMessage> fresh = new();
    private readonly SortedSet<HeldMessage> singles = new(ByDueAt);
    private readonly SortedSet<HeldMessage> renewals = new(ByRenewAt);
    private readonly Dictionary<string, Handover> inFlight = new(StringComparer.Ordinal);
    private readonly Queue<HeldMessage> deletions = new();
    private readonly Queue<HeldMessage> returns = new();
    private readonly RecentIds acknowledged = new(RememberedIds);
    private readonly RecentIds suspects = new(RememberedIds);
    private long sequence;
    private int trials;

    /// <summary>Messages that count against the bound: everything held but what only waits for its deletion.</summary>
    public int Count { get; private set; }

    /// <summary>Of their bodies.</summary>
    public long Bytes { get; private set; }

    /// <summary>Deletions that SQS has not confirmed.</summary>
    public int Unconfirmed => byId.Count - Count;

    public int InFlightCount => inFlight.Count;

    public bool IsEmpty => byId.Count == 0;

    /// <summary>When the oldest message was sent that is not finished. Looks at each.</summary>
    public DateTimeOffset? OldestSentAt => byId.Values.Min(message => message.Message.SentAt);

    public bool Blocked => outage.Blocked;

    /// <summary>How long messages are kept when there is no stream for them.</summary>
    /// <remarks>
    /// Nobody waits for them longer than for a consumer that died. When nothing got through, others hardly fare better, and
    /// each time they are given back and received again brings them nearer to the dead-letter queue: then longer.
    /// </remarks>
    public TimeSpan KeepFor => settings.VisibilityTimeout * (outage.Blocked ? 10 : 1);

    /// <summary>Nothing gets through, and everything that is here has been tried enough: one new message may be fetched.</summary>
    public bool WantsFreshProbe =>
        outage.Blocked && fresh.Count == 0
        && singles.All(message => message.WasBlamed || message.FailuresAlone >= FailuresUntilFreshProbe)
        && inFlight.Values.All(handover => handover.WasProbe);

    public Receipt Receive(ReceivedMessage message, TimeSpan now)
    {
        if (byId.TryGetValue(message.Id, out var held) && held.Stage != MessageStage.Returning)
        {
            held.ReceiptHandle = message.ReceiptHandle;
            held.HandleIsStale = false;
            ScheduleRenewal(held, now + (settings.VisibilityTimeout / 2));
            return Receipt.HeldAlready;
        }

        var size = CloudEventsBatch.SizeOf(message, source);
        if (size > CloudEventsBatch.MaxBytes)
            return Receipt.TooLarge;
        if (held is not null)
            Forget(held);   // given back, and here again before SQS's answer was
        held = new HeldMessage(message, ++sequence, size);
        byId.Add(message.Id, held);
        Count++;
        Bytes += held.Bytes;
        ScheduleRenewal(held, now + (settings.VisibilityTimeout / 2));
        if (acknowledged.Contains(message.Id))
        {
            Delete(held, now);
            return Receipt.AcknowledgedAlready;
        }

        if (suspects.Contains(message.Id))
        {
            // Given up before while others got through: it does not go out beside others again.
            held.SuccessesAtFirstFailure = -1;
            held.WasBlamed = true;
            PutSingle(held, now);
        }
        else
        {
            PutFresh(held, now, first: false);
        }

        return Receipt.New;
    }

    /// <summary>The next messages for a stream, if there are any that may go now.</summary>
    /// <param name="window">What the stream has; its counts are raised.</param>
    /// <param name="now">The present.</param>
    /// <param name="moreComing">The queue had more a moment ago and a receive is under way.</param>
    public Handover? Take(StreamWindow window, TimeSpan now, bool moreComing)
    {
        if (outage.Blocked)
        {
            return outage.NextProbeAt <= now && ProbeCandidate() is { } probe && Fits(window, probe, others: 0, otherBytes: 0)
                ? HandOver(window, [probe], isBatch: false, now)
                : null;
        }

        if (singles.TakeWhile(message => message.DueAt <= now).FirstOrDefault(message => MayGoAt(message) <= now) is { } single)
            return Fits(window, single, others: 0, otherBytes: 0) ? HandOver(window, [single], isBatch: false, now) : null;

        if (fresh.First is not { } oldest)
            return null;
        var (count, full) = NextBatch(window);
        if (count == 0 || (!full && now < oldest.Value.ReadyAt + window.Pace.WaitForMore(moreComing)))
            return null;
        var batch = new HeldMessage[count];
        for (var i = 0; i < count; i++)
        {
            batch[i] = fresh.First!.Value;
            fresh.RemoveFirst();
        }

        return HandOver(window, batch, isBatch: true, now);
    }

    /// <summary>When <see cref="Take"/> will have something because time has passed, as far as known now; null for never.</summary>
    public TimeSpan? NextTakeAt(StreamWindow window, bool moreComing)
    {
        if (outage.Blocked)
            return fresh.Count + singles.Count > 0 ? outage.NextProbeAt : null;
        var batchAt = fresh.First?.Value.ReadyAt + window.Pace.WaitForMore(moreComing);
        var innocentAt = MayGoAt(singles.FirstOrDefault(message => !message.WasBlamed));
        var blamedAt = MayGoAt(singles.FirstOrDefault(message => message.WasBlamed));
        return Earlier(batchAt, Earlier(innocentAt, blamedAt));
    }

    /// <returns>What it meant; null when the token is not one that is waited for.</returns>
    public AnswerOutcome? Answer(string token, StreamWindow window, bool succeeded, TimeSpan now)
    {
        if (!inFlight.TryGetValue(token, out var handover) || handover.Window != window)
            return null;
        Land(handover, now);
        return succeeded ? Succeeded(handover, now) : Failed(handover, now);
    }

    /// <summary>A stream has ended: what it had comes to the front again, with nothing held against it.</summary>
    public void Abandon(StreamWindow window, TimeSpan now)
    {
        // The latest first, so that the oldest ends up in front.
        foreach (var handover in inFlight.Values.Where(handover => handover.Window == window).Reverse().ToArray())
        {
            Land(handover, now);
            if (handover.WasProbe)
                outage.ProbeAbandoned();
            foreach (var message in handover.Messages.Reverse())
            {
                if (message.HandleIsStale)
                    Forget(message);
                else if (message.Failures > 0 || message.SuccessesAtFirstFailure is not null)
                    PutSingle(message, now);
                else
                    PutFresh(message, now, first: true);
            }
        }
    }

    /// <summary>A stream was opened: an outage may be over.</summary>
    public void StreamOpened(TimeSpan now) => outage.ProbeAtOnce(now);

    /// <summary>Gives back what is not with a sidecar and, if asked, what is.</summary>
    public void GiveBack(bool inFlightToo, TimeSpan now)
    {
        if (inFlightToo)
        {
            foreach (var window in inFlight.Values.Select(handover => handover.Window).Distinct().ToArray())
                Abandon(window, now);
        }

        foreach (var message in fresh.Concat(singles).ToArray())
            Return(message, TimeSpan.Zero);
    }

    /// <summary>Up to ten messages to be hidden again; empty when none is due.</summary>
    public IReadOnlyList<HeldMessage> TakeRenewals(TimeSpan now)
    {
        if (!(renewals.Min?.RenewAt <= now))
            return [];
        // A request takes ten, so those that are due soon go along.
        var soon = now + (settings.VisibilityTimeout / 8);
        var due = renewals.TakeWhile(message => message.RenewAt <= soon).Take(RequestEntries).ToList();
        foreach (var message in due)
        {
            renewals.Remove(message);
            message.Renewing = true;
        }

        return due;
    }

    public TimeSpan? NextRenewalAt => renewals.Min?.RenewAt;

    /// <param name="message">One of <see cref="TakeRenewals"/>.</param>
    /// <param name="handle">The receipt handle that was sent.</param>
    /// <param name="outcome">What SQS said.</param>
    /// <param name="sentAt">When the request was sent: hidden at least from then on.</param>
    /// <returns>False when SQS may hand the message to somebody else now.</returns>
    public bool Renewed(HeldMessage message, string handle, EntryOutcome outcome, TimeSpan sentAt)
    {
        message.Renewing = false;
        if (!IsHeld(message) || message.Stage == MessageStage.Returning)
            return true;
        if (message.ReceiptHandle != handle)
            return true;   // received again meanwhile, and scheduled then
        switch (outcome)
        {
            case EntryOutcome.Done:
                ScheduleRenewal(message, sentAt + (settings.VisibilityTimeout / 2));
                return true;
            case EntryOutcome.Failed:
                ScheduleRenewal(message, sentAt + Min(EntryRetryWait, settings.VisibilityTimeout / 8));
                return true;
            default:
                // With the sidecar or about to be deleted it stays, so that its answer still finds it.
                message.HandleIsStale = true;
                if (message.Stage is MessageStage.Fresh or MessageStage.Single)
                    Forget(message);
                return false;
        }
    }

    /// <summary>Up to ten acknowledged messages to be deleted; empty when none has to go yet.</summary>
    /// <param name="now">The present.</param>
    /// <param name="all">Do not wait for company.</param>
    public IReadOnlyList<HeldMessage> TakeDeletions(TimeSpan now, bool all) =>
        deletions.Count >= RequestEntries || (deletions.Count > 0 && (all || NextDeletionAt <= now)) ? Dequeue(deletions) : [];

    public TimeSpan? NextDeletionAt => deletions.TryPeek(out var oldest) ? oldest.ReadyAt + DeleteWait : null;

    /// <param name="message">One of <see cref="TakeDeletions"/>.</param>
    /// <param name="handle">The receipt handle that was sent.</param>
    /// <param name="outcome">What SQS said.</param>
    /// <param name="now">The present.</param>
    /// <returns>True when the message is deleted.</returns>
    public bool Deleted(HeldMessage message, string handle, EntryOutcome outcome, TimeSpan now)
    {
        if (outcome == EntryOutcome.Failed || message.ReceiptHandle != handle)
        {
            // A deletion by an older handle is answered with success, and may have done nothing.
            message.ReadyAt = now;
            deletions.Enqueue(message);
            return false;
        }

        acknowledged.Add(message.Id);
        Forget(message);
        return outcome == EntryOutcome.Done;
    }

    /// <summary>Up to ten messages to be given back; empty when there is none.</summary>
    public IReadOnlyList<HeldMessage> TakeReturns() => Dequeue(returns);

    /// <returns>True when the message is given back.</returns>
    public bool Returned(HeldMessage message, EntryOutcome outcome)
    {
        if (!IsHeld(message))
            return true;   // received again before this answer came
        if (outcome == EntryOutcome.Failed)
        {
            returns.Enqueue(message);
            return false;
        }

        Forget(message);
        return outcome == EntryOutcome.Done;
    }

    private AnswerOutcome Succeeded(Handover handover, TimeSpan now)
    {
        var ended = outage.Succeeded();
        foreach (var message in handover.Messages)
            Delete(message, now);
        if (ended)
        {
            // Everything that waited, waited for this, but for what failed on its own account.
            foreach (var message in singles.Where(message => !message.WasBlamed).ToArray())
                PutSingle(message, now);
        }

        return new AnswerOutcome(false, ended, 0);
    }

    private AnswerOutcome Failed(Handover handover, TimeSpan now)
    {
        var alone = handover.Messages.Count == 1 ? handover.Messages[0] : null;
        var blamed = alone?.IsSuspect(outage.Successes) == true && outage.Blames(alone.Id, now);
        var began = outage.Failed(handover.WasProbe, handover.SuccessesBefore, blamed, now);
        var givenUp = 0;
        foreach (var message in handover.Messages)
        {
            message.Failures++;
            message.SuccessesAtFirstFailure ??= outage.Successes;
            if (message.HandleIsStale)
            {
                Forget(message);
                continue;
            }

            PutSingle(message, now + backoff.After(message.Failures));
        }

        if (alone is not null && IsHeld(alone))
        {
            alone.FailuresAlone++;
            alone.WasBlamed |= blamed;
            if (blamed && ++alone.TimesBlamed >= BlamesUntilGivenUp)
            {
                suspects.Add(alone.Id);
                Return(alone, backoff.After(alone.Message.ReceiveCount));
                givenUp = 1;
            }
        }

        return new AnswerOutcome(began, false, givenUp);
    }

    private Handover HandOver(StreamWindow window, HeldMessage[] messages, bool isBatch, TimeSpan now)
    {
        foreach (var message in messages)
        {
            if (message.Stage == MessageStage.Single)
                singles.Remove(message);
            else if (!isBatch)
                fresh.Remove(message);
            message.Stage = MessageStage.InFlight;
        }

        if (outage.Blocked)
            outage.ProbeSent();
        var token = (++sequence).ToString(CultureInfo.InvariantCulture);
        var handover = new Handover(token, window, messages, messages.Sum(message => (long)message.Bytes), outage.Blocked, outage.Successes)
        {
            IsBatch = isBatch,
        };
        inFlight.Add(token, handover);
        trials += handover.BlamedBefore;
        window.Messages += messages.Length;
        window.Bytes += handover.Bytes;
        if (isBatch)
            window.Pace.HandedOver(now);
        return handover;
    }

    private void Land(Handover handover, TimeSpan now)
    {
        inFlight.Remove(handover.Token);
        trials -= handover.BlamedBefore;
        handover.Window.Messages -= handover.Messages.Count;
        handover.Window.Bytes -= handover.Bytes;
        if (handover.IsBatch)
            handover.Window.Pace.Answered(now);
    }

    /// <summary>How many messages the next batch has, and whether it cannot get larger by waiting.</summary>
    private (int Count, bool Full) NextBatch(StreamWindow window)
    {
        var count = 0;
        var bytes = 0L;
        var size = 2;   // the brackets
        foreach (var message in fresh)
        {
            size += message.SizeInBatch + 1;
            if (size > CloudEventsBatch.MaxBytes || !Fits(window, message, count, bytes))
                return (count, true);
            bytes += message.Bytes;
            if (++count == settings.BatchSize)
                return (count, true);
        }

        return (count, false);
    }

    /// <summary>Whether a stream may have one more; an idle one may always have one.</summary>
    private bool Fits(StreamWindow window, HeldMessage message, int others, long otherBytes) =>
        window.Messages + others == 0
        || (window.Messages + others < settings.MaxOutstandingMessages
            && window.Bytes + otherBytes + message.Bytes <= settings.MaxOutstandingBytes);

    /// <summary>When a message that failed may go. Of those that were blamed before one at a time, so that together they are no outage.</summary>
    /// <returns>Null while another one is out.</returns>
    private TimeSpan? MayGoAt(HeldMessage? single) =>
        single is null || (single.WasBlamed && trials > 0) ? null
        : single.DueAt > outage.NextSuspectAt ? single.DueAt : outage.NextSuspectAt;

    /// <summary>The one that failed least: a message that can never get through does not hide that others can.</summary>
    private HeldMessage? ProbeCandidate() =>
        fresh.First?.Value ?? singles.MinBy(message => (message.FailuresAlone, message.DueAt, message.Sequence));

    private void PutFresh(HeldMessage message, TimeSpan now, bool first)
    {
        message.Stage = MessageStage.Fresh;
        message.ReadyAt = now;
        if (first)
            fresh.AddFirst(message);
        else
            fresh.AddLast(message);
    }

    private void PutSingle(HeldMessage message, TimeSpan dueAt)
    {
        singles.Remove(message);
        message.Stage = MessageStage.Single;
        message.DueAt = dueAt;
        singles.Add(message);
    }

    private void Delete(HeldMessage message, TimeSpan now)
    {
        Uncount(message);
        message.DropBody();
        message.Stage = MessageStage.Deleting;
        message.ReadyAt = now;
        deletions.Enqueue(message);
    }

    private void Return(HeldMessage message, TimeSpan hideFor)
    {
        Unlist(message);
        message.Stage = MessageStage.Returning;
        message.HideFor = hideFor;
        returns.Enqueue(message);
    }

    private void Forget(HeldMessage message)
    {
        if (!IsHeld(message))
            return;
        if (message.Stage != MessageStage.Deleting)
            Uncount(message);
        byId.Remove(message.Id);
        Unlist(message);
    }

    private void Unlist(HeldMessage message)
    {
        if (message.Stage == MessageStage.Fresh)
            fresh.Remove(message);
        singles.Remove(message);
        renewals.Remove(message);
    }

    private void Uncount(HeldMessage message)
    {
        Count--;
        Bytes -= message.Bytes;
    }

    private bool IsHeld(HeldMessage message) => byId.TryGetValue(message.Id, out var held) && ReferenceEquals(held, message);

    private void ScheduleRenewal(HeldMessage message, TimeSpan at)
    {
        renewals.Remove(message);
        message.RenewAt = at;
        if (message.Stage != MessageStage.Returning)
            renewals.Add(message);
    }

    private static List<HeldMessage> Dequeue(Queue<HeldMessage> queue)
    {
        var messages = new List<HeldMessage>(Math.Min(RequestEntries, queue.Count));
        while (messages.Count < RequestEntries && queue.TryDequeue(out var message))
            messages.Add(message);
        return messages;
    }

    private static TimeSpan? Earlier(TimeSpan? a, TimeSpan? b) => a is null ? b : b is null || a < b ? a : b;

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;
}
