using PiiMasking.SqsComponent.Instances;

namespace PiiMasking.SqsComponent.Subscriptions;

/// <summary>How many receive requests to keep open, and for how many messages. Pure: the clock is an argument.</summary>
/// <remarks>
/// One while the queue is quiet, more while receives come back full. The room for what a request may bring is reserved
/// before it is sent; how large a message is, is guessed from the largest seen lately. A request costs the same for one
/// message as for ten, so a little room waits a moment to become room for ten.
/// </remarks>
internal sealed class ReceivePlan(SqsSettings settings, Backoff retry)
{
    private const int MostMessages = 10;
    private const long LargestMessage = 1 << 20;

    // What SQS hands out for a busy queue is seldom less than this.
    private const int BusyMessages = 5;

    private static readonly TimeSpan RoomWait = TimeSpan.FromMilliseconds(50);

    private int receivers = 1;
    private int reservedMessages;
    private long reservedBytes;
    private long likelyBytes = LargestMessage;
    private bool lastWasFull;
    private int failures;
    private TimeSpan retryAt;
    private TimeSpan? littleRoomSince;

    public int Open { get; private set; }

    /// <summary>The queue had more messages a moment ago, and they are being fetched.</summary>
    public bool MoreComing => lastWasFull && Open > 0;

    /// <summary>When to ask again although nothing else happens; null when something will happen first.</summary>
    public TimeSpan? NextAt { get; private set; }

    /// <summary>For how many messages to send a request now; null for none.</summary>
    /// <param name="messages">Held now.</param>
    /// <param name="bytes">Held now.</param>
    /// <param name="streams">Each has bounds of its own.</param>
    /// <param name="now">The present.</param>
    public ReceiveRequest? Next(int messages, long bytes, int streams, TimeSpan now)
    {
        NextAt = null;
        if (streams == 0 || Open >= receivers)
            return null;
        if (now < retryAt)
        {
            NextAt = retryAt;
            return null;
        }

        var mostMessages = (long)settings.MaxOutstandingMessages * streams;
        var mostBytes = settings.MaxOutstandingBytes * streams;
        var room = Math.Min(
            mostMessages - messages - reservedMessages,
            (mostBytes - bytes - reservedBytes) / likelyBytes);
        if (room <= 0)
        {
            littleRoomSince = null;
            // With nothing here there is room for one, however large it is.
            return messages + reservedMessages == 0 ? Reserve(1) : null;
        }

        var enough = Math.Min(MostMessages, Math.Min(mostMessages, Math.Max(1, mostBytes / likelyBytes)));
        if (room >= enough)
            return Reserve((int)enough);
        littleRoomSince ??= now;
        if (now - littleRoomSince >= RoomWait)
            return Reserve((int)room);
        NextAt = littleRoomSince + RoomWait;
        return null;
    }

    /// <summary>One message to try in an outage, whatever the other bounds say; null while a request is open.</summary>
    public ReceiveRequest? NextProbe(int messages, int streams, TimeSpan now)
    {
        NextAt = null;
        if (streams == 0 || Open > 0 || messages >= (long)settings.MaxOutstandingMessages * streams)
            return null;
        if (now >= retryAt)
            return Reserve(1);
        NextAt = retryAt;
        return null;
    }

    public void Received(ReceiveRequest request, int messages, long largestBytes)
    {
        Release(request);
        failures = 0;
        lastWasFull = messages == request.Messages;
        if (messages > 0)
            likelyBytes = Math.Max(Math.Max(largestBytes, likelyBytes / 2), 1);
        receivers = messages switch
        {
            MostMessages => Math.Min(settings.Receivers, receivers * 2),
            >= BusyMessages => receivers,
            0 => 1,
            _ => Math.Max(1, receivers - 1),
        };
    }

    public void Failed(ReceiveRequest request, TimeSpan now)
    {
        Release(request);
        lastWasFull = false;
        receivers = 1;
        retryAt = now + retry.After(++failures);
    }

    private ReceiveRequest Reserve(int messages)
    {
        var request = new ReceiveRequest(messages, messages * likelyBytes);
        Open++;
        littleRoomSince = null;
        reservedMessages += request.Messages;
        reservedBytes += request.Bytes;
        return request;
    }

    private void Release(ReceiveRequest request)
    {
        Open--;
        reservedMessages -= request.Messages;
        reservedBytes -= request.Bytes;
    }
}

/// <summary>A receive request that is open, and the room that is reserved for what it brings.</summary>
internal sealed record ReceiveRequest(int Messages, long Bytes);
