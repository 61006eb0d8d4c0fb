using System.Net.Http.Headers;

namespace PiiMasking.Logins;

/// <summary>Takes messages out of what a broker delivered: a batch of CloudEvents, a CloudEvent, an SNS notification, a bare login.</summary>
/// <remarks>
/// Only the outermost envelope is trusted for a message's identity and time: it was made by the broker or its component, anything further
/// in by whoever may write to the queue. Hostile bytes never throw, and a broken element of a batch is a rejection of its own.
/// </remarks>
public static class MessageReader
{
    /// <summary>Content type of a batch that a component makes of several messages: a JSON array of CloudEvents.</summary>
    public const string BatchContentType = "application/cloudevents-batch+json";

    /// <summary>Most envelopes around each other within one message.</summary>
    public const int MaxNesting = 4;

    /// <summary>Most elements of a batch; a component's own bound is far lower.</summary>
    public const int MaxBatch = 10_000;

    private static readonly ParseOutcome[] Rejections =
        Array.ConvertAll(Enum.GetValues<RejectReason>(), reason => (ParseOutcome)new ParseOutcome.Rejected(reason));

    /// <summary>Reads an entry of a delivery.</summary>
    /// <param name="entry">Its bytes stay referenced by the messages' payloads.</param>
    /// <param name="now">Time of a message that has no identity at all.</param>
    /// <returns>At least one message.</returns>
    public static IReadOnlyList<IncomingMessage> Read(ReceivedEntry entry, DateTimeOffset now)
    {
        if (!IsBatch(entry.ContentType))
            return [ReadOne(entry, now)];
        if (!Envelope.TrySplit(entry.Body, MaxBatch, out var elements))
            return [Whole(RejectReason.BatchMalformed)];
        if (elements.Count == 0)
            return [Whole(RejectReason.BatchEmpty)];
        return elements.ConvertAll(element => ReadElement(element, now));

        IncomingMessage Whole(RejectReason reason)
        {
            var identity = MessageIdentity.FromMetadata(entry.Metadata, entry.Topic) ?? MessageIdentity.Fresh(now);
            return new IncomingMessage(identity.Id, identity.SentAt, Rejected(reason), entry.Body);
        }
    }

    /// <summary>Reads a message's payload again, through the envelopes in it; who the message is, the caller knows.</summary>
    /// <param name="payload"><see cref="IncomingMessage.Payload"/>, as it was kept.</param>
    public static ParseOutcome ParsePayload(ReadOnlyMemory<byte> payload) => ParsePayload(payload, MaxNesting);

    private static ParseOutcome ParsePayload(ReadOnlyMemory<byte> payload, int envelopesLeft)
    {
        while (true)
        {
            // Most are bare logins and are read in this one pass.
            var outcome = LoginParser.Parse(payload.Span, out var isMeantAsLogin);
            if (outcome is ParseOutcome.Accepted || isMeantAsLogin || !Envelope.TryRead(payload, out var envelope))
                return outcome;
            if (envelopesLeft-- == 0)
                return Rejected(RejectReason.EnvelopesTooDeep);
            if (!envelope.TryOpen(out payload, out var reason))
                return Rejected(reason);
        }
    }

    private static IncomingMessage ReadOne(ReceivedEntry entry, DateTimeOffset now)
    {
        var outcome = LoginParser.Parse(entry.Body.Span, out var isMeantAsLogin);
        MessageIdentity? identity = null;
        string? trace = null;
        if (outcome is not ParseOutcome.Accepted && !isMeantAsLogin && Envelope.TryRead(entry.Body, out var envelope))
        {
            identity = envelope.Identity;
            trace = envelope.TraceParent;
            outcome = envelope.TryOpen(out var content, out var reason) ? ParsePayload(content, MaxNesting - 1) : Rejected(reason);
        }

        var known = identity ?? MessageIdentity.FromMetadata(entry.Metadata, entry.Topic) ?? MessageIdentity.Fresh(now);
        return new IncomingMessage(known.Id, known.SentAt, outcome, entry.Body) { TraceParent = trace };
    }

    private static IncomingMessage ReadElement(Memory<byte> element, DateTimeOffset now)
    {
        if (!Envelope.TryReadElement(element, out var envelope) || envelope.Identity is not { } identity)
        {
            var fresh = MessageIdentity.Fresh(now);
            return new IncomingMessage(fresh.Id, fresh.SentAt, Rejected(RejectReason.EnvelopeMalformed), element);
        }

        var trace = envelope.TraceParent;
        // A component made the element, and only what is in it is kept.
        var (outcome, payload) = envelope.TryOpen(out var content, out var reason, element) ? (ParsePayload(content), content) : (Rejected(reason), element);
        return new IncomingMessage(identity.Id, identity.SentAt, outcome, payload) { TraceParent = trace };
    }

    private static bool IsBatch(string? contentType) =>
        contentType is not null
        && contentType.StartsWith(BatchContentType, StringComparison.OrdinalIgnoreCase)
        && MediaTypeHeaderValue.TryParse(contentType, out var type)
        && BatchContentType.Equals(type.MediaType, StringComparison.OrdinalIgnoreCase);

    private static ParseOutcome Rejected(RejectReason reason) => Rejections[(int)reason];
}
