using System.Globalization;
using PiiMasking.SqsComponent.Batches;
using PiiMasking.SqsComponent.Instances;
using PiiMasking.SqsComponent.Queues;
using PiiMasking.SqsComponent.Subscriptions;

namespace PiiMasking.SqsComponent.Tests;

/// <summary>The decisions about messages, with a clock that is moved by hand: hours pass in milliseconds.</summary>
public sealed class HoldingsTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    [Fact]
    public void An_hour_in_which_nothing_gets_through_costs_no_message_a_second_receive()
    {
        var queue = new SimulatedQueue(new SqsSettings());
        queue.Send(100);
        var appIsDown = true;

        for (var second = 0; second < 3600; second++)
        {
            if (second % 10 == 0)
                queue.Send(1);
            queue.Step(_ => !appIsDown);
        }

        Assert.True(queue.ReceiveCounts.Max() == 1, $"received {queue.ReceiveCounts.Max()} times");
        Assert.Empty(queue.Deleted);
        Assert.InRange(queue.Deliveries, 60, 200);

        appIsDown = false;
        for (var second = 0; second < 120; second++)
            queue.Step(_ => true);

        Assert.Equal(460, queue.Deleted.Count);
        Assert.True(queue.ReceiveCounts.Max() == 1, $"received {queue.ReceiveCounts.Max()} times");
    }

    [Fact]
    public void An_outage_with_a_stream_that_ends_costs_one_more_receive_at_most()
    {
        var queue = new SimulatedQueue(new SqsSettings());
        queue.Send(500);
        queue.Step(_ => true);
        queue.Send(500);
        queue.Step(_ => false);
        for (var flap = 0; flap < 10; flap++)
        {
            // The sidecar closes the stream of an unwell app, and opens it when the app looks well again.
            queue.CloseStream();
            for (var second = 0; second < 120; second++)
                queue.Step(_ => false);
            queue.OpenStream();
            for (var second = 0; second < 20; second++)
                queue.Step(_ => false);
        }

        Assert.InRange(queue.ReceiveCounts.Max(), 1, 2);
    }

    [Fact]
    public void Outages_with_a_moment_between_them_in_which_a_few_get_through_give_no_message_back()
    {
        var holdings = New();
        var window = new StreamWindow(TimeSpan.Zero);
        for (var i = 0; i < 900; i++)
            holdings.Receive(Message($"{i}", "1"), Second);

        var through = 0;
        for (var second = 2; second < 600; second++)
        {
            var now = Second * second;
            if (second % 20 == 0)
                through = 3;
            // All that may be out at once is out when the app goes away.
            var handed = new List<Handover>();
            while (holdings.Take(window, now, moreComing: false) is { } handover)
                handed.Add(handover);
            foreach (var handover in handed)
                holdings.Answer(handover.Token, window, succeeded: through-- > 0, now);
        }

        Assert.Empty(holdings.TakeReturns());
    }

    [Fact]
    public void Several_bad_messages_at_once_are_given_back_each_and_hold_up_nobody()
    {
        var queue = new SimulatedQueue(new SqsSettings());
        queue.Send(5);   // the first five are bad
        for (var second = 0; second < 300; second++)
        {
            queue.Send(5);
            queue.Step(id => id.Length > 1 || id[0] > '4');
        }

        Assert.True(queue.Deleted.Count >= 1480, $"{queue.Deleted.Count} of 1500 got through");
        Assert.All(queue.ReceiveCounts.Take(5), count => Assert.InRange(count, 3, 60));
    }

    [Fact]
    public void A_message_that_fails_while_others_get_through_is_given_back_each_time_and_holds_up_nobody()
    {
        var queue = new SimulatedQueue(new SqsSettings());
        queue.Send(1);   // the first is bad
        for (var second = 0; second < 300; second++)
        {
            queue.Send(5);
            queue.Step(id => id != "0");
        }

        Assert.True(queue.Deleted.Count >= 1480, $"{queue.Deleted.Count} of 1500 got through");
        Assert.InRange(queue.ReceiveCounts[0], 4, 60);
    }

    [Fact]
    public void One_bad_message_alone_in_the_queue_does_not_stop_it()
    {
        var queue = new SimulatedQueue(new SqsSettings());
        queue.Send(1);
        for (var second = 0; second < 30; second++)
            queue.Step(id => id != "0");
        queue.Send(1);
        for (var second = 0; second < 90; second++)
            queue.Step(id => id != "0");

        Assert.Equal(["1"], queue.Deleted);
    }

    [Fact]
    public void A_message_received_again_while_it_is_here_is_handed_over_once_and_deleted_by_the_newest_handle()
    {
        var holdings = New();
        var window = new StreamWindow(TimeSpan.Zero);
        Assert.Equal(Receipt.New, holdings.Receive(Message("a", "old"), Second));
        var handover = holdings.Take(window, Second, moreComing: false)!;
        Assert.Equal(Receipt.HeldAlready, holdings.Receive(Message("a", "new"), Second * 40));
        Assert.Null(holdings.Take(window, Second * 41, moreComing: false));

        holdings.Answer(handover.Token, window, succeeded: true, Second * 42);

        Assert.Equal("new", Assert.Single(holdings.TakeDeletions(Second * 43, all: true)).ReceiptHandle);
    }

    [Fact]
    public void A_message_that_shows_after_its_deletion_is_deleted_again_and_not_handed_over()
    {
        var holdings = New();
        var window = new StreamWindow(TimeSpan.Zero);
        holdings.Receive(Message("a", "1"), Second);
        holdings.Answer(holdings.Take(window, Second, moreComing: false)!.Token, window, succeeded: true, Second);
        var deletion = Assert.Single(holdings.TakeDeletions(Second, all: true));
        Assert.True(holdings.Deleted(deletion, "1", EntryOutcome.Done, Second));
        Assert.True(holdings.IsEmpty);

        Assert.Equal(Receipt.AcknowledgedAlready, holdings.Receive(Message("a", "2"), Second * 50));

        Assert.Null(holdings.Take(window, Second * 50, moreComing: false));
        Assert.Equal("2", Assert.Single(holdings.TakeDeletions(Second * 50, all: true)).ReceiptHandle);
    }

    [Fact]
    public void A_deletion_by_a_handle_that_is_no_longer_the_newest_is_repeated()
    {
        var holdings = New();
        var window = new StreamWindow(TimeSpan.Zero);
        holdings.Receive(Message("a", "old"), Second);
        holdings.Answer(holdings.Take(window, Second, moreComing: false)!.Token, window, succeeded: true, Second);
        var deletion = Assert.Single(holdings.TakeDeletions(Second, all: true));
        holdings.Receive(Message("a", "new"), Second);

        Assert.False(holdings.Deleted(deletion, "old", EntryOutcome.Done, Second));

        Assert.Equal("new", Assert.Single(holdings.TakeDeletions(Second, all: true)).ReceiptHandle);
    }

    [Fact]
    public void A_message_too_large_for_a_batch_is_left_alone()
    {
        var holdings = New();

        Assert.Equal(Receipt.TooLarge, holdings.Receive(Message("a", "1", CloudEventsBatch.MaxBytes), Second));

        Assert.True(holdings.IsEmpty);
    }

    [Fact]
    public void Whoever_can_be_hidden_no_longer_is_forgotten_unless_it_is_in_work()
    {
        var holdings = New();
        var window = new StreamWindow(TimeSpan.Zero);
        holdings.Receive(Message("in work", "1"), Second);
        var handover = holdings.Take(window, Second, moreComing: false)!;
        holdings.Receive(Message("waiting", "2"), Second);
        foreach (var message in holdings.TakeRenewals(Second * 30))
            holdings.Renewed(message, message.ReceiptHandle, EntryOutcome.HandleIsStale, Second * 30);

        Assert.Equal(1, holdings.Count);
        holdings.Answer(handover.Token, window, succeeded: false, Second * 31);
        Assert.True(holdings.IsEmpty);
    }

    [Fact]
    public void A_batch_that_is_not_full_goes_at_once_only_if_nothing_else_is_coming_and_the_app_is_idle()
    {
        var settings = new SqsSettings { BatchWait = Second };
        var holdings = New(settings);
        var window = new StreamWindow(settings.BatchWait);
        holdings.Receive(Message("a", "1"), TimeSpan.Zero);

        Assert.Null(holdings.Take(window, TimeSpan.Zero, moreComing: true));
        Assert.Equal(Second, holdings.NextTakeAt(window, moreComing: true));
        Assert.NotNull(holdings.Take(window, TimeSpan.Zero, moreComing: false));

        holdings.Receive(Message("b", "1"), TimeSpan.Zero);
        Assert.NotNull(holdings.Take(window, TimeSpan.Zero, moreComing: false));
        holdings.Receive(Message("c", "1"), TimeSpan.Zero);
        Assert.Null(holdings.Take(window, TimeSpan.Zero, moreComing: false));
        Assert.NotNull(holdings.Take(window, Second, moreComing: false));
    }

    private static Holdings New(SqsSettings? settings = null)
    {
        settings ??= new SqsSettings();
        return new Holdings("queue", settings, new Backoff(settings.RetryBackoffMin, settings.RetryBackoffMax, new Random(1)));
    }

    private static ReceivedMessage Message(string id, string handle, int bytes = 4) =>
        new(id, handle, new byte[bytes], null, 1, null, null);

    /// <summary>A queue, a stream and an app that takes no time, one second a step.</summary>
    private sealed class SimulatedQueue(SqsSettings settings)
    {
        private readonly Holdings holdings = New(settings);
        private readonly ReceivePlan plan = new(settings, new Backoff(Second, Second, new Random(1)));
        private readonly Dictionary<int, TimeSpan> waiting = [];
        private StreamWindow? window = new(settings.BatchWait);
        private TimeSpan? deserted;
        private TimeSpan now;

        public List<int> ReceiveCounts { get; } = [];

        public HashSet<string> Deleted { get; } = [];

        public int Deliveries { get; private set; }

        public void Send(int messages)
        {
            for (var i = 0; i < messages; i++)
            {
                waiting.Add(ReceiveCounts.Count, now);
                ReceiveCounts.Add(0);
            }
        }

        public void CloseStream()
        {
            holdings.Abandon(window!, now);
            window = null;
            deserted = now;
        }

        public void OpenStream()
        {
            window = new StreamWindow(settings.BatchWait);
            deserted = null;
            holdings.StreamOpened(now);
        }

        public void Step(Func<string, bool> app)
        {
            now += Second;
            if (now >= deserted + holdings.KeepFor)
                holdings.GiveBack(inFlightToo: false, now);
            bool moved;
            do
            {
                moved = Receive() | Deliver(app);
            }
            while (moved);
            Ask(() => holdings.TakeRenewals(now), message =>
                holdings.Renewed(message, message.ReceiptHandle, Hide(message, settings.VisibilityTimeout), now));
            Ask(() => holdings.TakeDeletions(now, all: true), message =>
            {
                waiting.Remove(int.Parse(message.Id, CultureInfo.InvariantCulture));
                Deleted.Add(message.Id);
                holdings.Deleted(message, message.ReceiptHandle, EntryOutcome.Done, now);
            });
            Ask(holdings.TakeReturns, message => holdings.Returned(message, Hide(message, message.HideFor)));
        }

        private bool Receive()
        {
            var streams = window is null ? 0 : 1;
            var request = holdings.Blocked
                ? holdings.WantsFreshProbe ? plan.NextProbe(holdings.Count, streams, now) : null
                : plan.Next(holdings.Count, holdings.Bytes, streams, now);
            if (request is null)
                return false;
            var messages = waiting.Where(message => message.Value <= now).OrderBy(message => message.Key).Take(request.Messages).ToArray();
            foreach (var (id, _) in messages)
            {
                waiting[id] = now + settings.VisibilityTimeout;
                holdings.Receive(Message($"{id}", $"{id}/{++ReceiveCounts[id]}"), now);
            }

            plan.Received(request, messages.Length, 4);
            return messages.Length > 0;
        }

        private bool Deliver(Func<string, bool> app)
        {
            if (window is null || holdings.Take(window, now, moreComing: false) is not { } handover)
                return false;
            Deliveries++;
            holdings.Answer(handover.Token, window, handover.Messages.All(message => app(message.Id)), now);
            return true;
        }

        private EntryOutcome Hide(HeldMessage message, TimeSpan timeout)
        {
            waiting[int.Parse(message.Id, CultureInfo.InvariantCulture)] = now + timeout;
            return EntryOutcome.Done;
        }

        private static void Ask(Func<IReadOnlyList<HeldMessage>> take, Action<HeldMessage> answer)
        {
            while (take() is { Count: > 0 } messages)
            {
                foreach (var message in messages)
                    answer(message);
            }
        }
    }
}
