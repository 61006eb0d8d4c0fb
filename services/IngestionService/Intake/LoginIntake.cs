using PiiMasking.Contracts;
using PiiMasking.Logins;

namespace PiiMasking.IngestionService.Intake;

/// <summary>Takes deliveries: each message is decided to be a login or a rejection, and goes to the masking service either way.</summary>
internal sealed class LoginIntake(MaskingClient masking, IntakeMetrics metrics, TimeProvider time, ILogger<LoginIntake> log)
{
    /// <summary>Takes one delivery.</summary>
    /// <returns>
    /// By the entries' positions, whether an entry may be acknowledged: every message in it is durable, in the table, in the quarantine or
    /// in an earlier delivery. An entry that may not is delivered again.
    /// </returns>
    public async Task<bool[]> TakeAsync(IReadOnlyList<BulkEntry> entries)
    {
        var now = time.GetUtcNow();
        var messages = new List<Pending>(entries.Count);
        for (var entry = 0; entry < entries.Count; entry++)
        {
            var read = MessageReader.Read(entries[entry].Received, now);
            messages.EnsureCapacity(messages.Count + read.Count);
            foreach (var message in read)
                messages.Add(new Pending(entry, message, ToLogin(message)));
        }

        using var span = IntakeSpan.Start(entries, messages);
        await SendAsync(messages);

        // The database will never take these rows. Only their exact bytes in the quarantine make them durable.
        var refused = messages.FindAll(message => message.Outcome == LoginOutcome.Refused);
        if (refused.Count > 0)
        {
            log.RefusedByStorage(refused.Count);
            refused.ForEach(message => message.Reject());
            await SendAsync(refused);
            refused.FindAll(message => message.Outcome is not (LoginOutcome.Quarantined or LoginOutcome.Repeated or LoginOutcome.Erased))
                .ForEach(message => message.Outcome = LoginOutcome.Retry);
        }

        var done = new bool[entries.Count];
        Array.Fill(done, true);
        foreach (var message in messages)
            done[message.Entry] &= message.IsDurable;
        metrics.Taken(messages);
        log.Taken(entries.Count, messages.Count, messages.Count(message => !message.IsDurable));
        return done;
    }

    private static LoginMessage ToLogin(IncomingMessage message) => message.Outcome switch
    {
        ParseOutcome.Accepted accepted => new LoginMessage(message.MessageId, message.SentAt, accepted.Login, null),
        ParseOutcome.Rejected rejected => ToRejection(message, rejected.Reason.ToCode()),
        _ => throw new System.Diagnostics.UnreachableException(),
    };

    private static LoginMessage ToRejection(IncomingMessage message, string reason)
    {
        var userIds = UserIds.ReadableIn(message.Payload.Span);
        return new(
            message.MessageId, message.SentAt, null,
            new Rejection(reason, message.Payload, userIds.Count <= Rejection.MaxUserIds ? [.. userIds] : null));
    }

    /// <summary>Sends messages in as few calls as their sizes allow, one after the other, and notes what became of each.</summary>
    private async Task SendAsync(List<Pending> messages)
    {
        foreach (var part in CallSize.Split(messages, message => message.Sent, masking.MaxCallBytes))
        {
            if (part is [var only] && CallSize.Of(only.Sent) > masking.MaxCallBytes)
            {
                log.TooLargeForACall(only.Sent.MessageId, CallSize.Of(only.Sent), masking.MaxCallBytes);
                only.Outcome = LoginOutcome.Retry;
                continue;
            }

            switch (await masking.StoreAsync(new LoginBatch([.. part.Select(message => message.Sent)])))
            {
                case StoreOutcome.Answered answered:
                    for (var at = 0; at < part.Count; at++)
                        part[at].Outcome = answered.Outcomes[at];
                    break;
                case StoreOutcome.Away:
                    // The rest would only wait for the same time-out, one call after the other.
                    return;
            }
        }
    }

    /// <summary>A message on its way, and what became of it: until someone says otherwise, nothing did.</summary>
    internal sealed class Pending(int entry, IncomingMessage message, LoginMessage sent)
    {
        public int Entry => entry;
        public string? TraceParent => message.TraceParent;
        public LoginMessage Sent { get; private set; } = sent;
        public LoginOutcome Outcome { get; set; } = LoginOutcome.Retry;

        public bool IsDurable => Outcome is LoginOutcome.Stored or LoginOutcome.Repeated or LoginOutcome.Quarantined or LoginOutcome.Erased;

        public void Reject()
        {
            Sent = ToRejection(message, Rejection.RefusedByStorage);
            Outcome = LoginOutcome.Retry;
        }
    }
}
