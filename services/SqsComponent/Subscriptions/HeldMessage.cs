using PiiMasking.SqsComponent.Queues;

namespace PiiMasking.SqsComponent.Subscriptions;

internal enum MessageStage
{
    /// <summary>Never failed; goes out in a batch.</summary>
    Fresh,

    /// <summary>Failed before; goes out alone, when it is due.</summary>
    Single,

    /// <summary>With the sidecar.</summary>
    InFlight,

    /// <summary>Acknowledged; to be deleted.</summary>
    Deleting,

    /// <summary>To be made visible to other consumers again.</summary>
    Returning,
}

/// <summary>A message that this process received and has not finished. Belongs to <see cref="Holdings"/> and its thread.</summary>
internal sealed class HeldMessage(ReceivedMessage message, long sequence, int sizeInBatch)
{
    public ReceivedMessage Message { get; private set; } = message;

    public string Id => Message.Id;

    public int Bytes { get; } = message.Body.Length;

    public int SizeInBatch { get; } = sizeInBatch;

    /// <summary>Order of arrival: breaks ties.</summary>
    public long Sequence { get; } = sequence;

    /// <summary>Of the latest receive; an earlier one may be worthless.</summary>
    public string ReceiptHandle { get; set; } = message.ReceiptHandle;

    public MessageStage Stage { get; set; }

    /// <summary>When it became ready to go out, be deleted or be given back.</summary>
    public TimeSpan ReadyAt { get; set; }

    /// <summary>When it may go out alone.</summary>
    public TimeSpan DueAt { get; set; }

    /// <summary>When it is to be hidden again.</summary>
    public TimeSpan RenewAt { get; set; }

    public bool Renewing { get; set; }

    /// <summary>The renewal was refused for good: somebody else may be given the message.</summary>
    public bool HandleIsStale { get; set; }

    /// <summary>How often its delivery failed, alone or with others: what it waits by.</summary>
    public int Failures { get; set; }

    public int FailuresAlone { get; set; }

    /// <summary>How often it failed alone, and nothing but the message itself could be the reason: see <see cref="Outage"/>.</summary>
    public int TimesBlamed { get; set; }

    /// <summary>It was, now or when it was here before.</summary>
    public bool WasBlamed { get; set; }

    /// <summary>How many deliveries had succeeded when it failed first; null before.</summary>
    public long? SuccessesAtFirstFailure { get; set; }

    /// <summary>How long SQS hides it once it is given back.</summary>
    public TimeSpan HideFor { get; set; }

    /// <summary>It is done and will not go out again, so the memory may go.</summary>
    public void DropBody() => Message = Message with { Body = default };

    public bool IsSuspect(long successes) => SuccessesAtFirstFailure < successes;
}
