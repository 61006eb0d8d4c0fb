using PiiMasking.Contracts;
using PiiMasking.MaskingService.Keys;
using PiiMasking.MaskingService.Masking;
using PiiMasking.MaskingService.Quarantine;

namespace PiiMasking.MaskingService.Logins;

/// <summary>What became of one call.</summary>
internal abstract record BatchOutcome
{
    private BatchOutcome() { }

    /// <summary>Every message has its outcome.</summary>
    public sealed record Done(LoginBatchResult Result) : BatchOutcome;

    /// <summary>The buffer stayed full; nothing was written.</summary>
    public sealed record Busy : BatchOutcome;

    /// <summary>Nothing can be masked yet.</summary>
    public sealed record NotReady(string Reason) : BatchOutcome;
}

/// <summary>Masks a batch under the key that the table is under, as far as is known, and hands it to a writer.</summary>
internal sealed class LoginBatchHandler(
    Keyring keyring,
    LoginMasker masker,
    LoginWriter writer,
    Generation generation,
    QuarantineBound quarantine,
    LoginMetrics metrics,
    TimeProvider time,
    ILogger<LoginBatchHandler> logger)
{
    /// <summary>Returns once every message is committed or known not to be.</summary>
    public async Task<BatchOutcome> HandleAsync(LoginBatch batch, CancellationToken cancellation)
    {
        if (generation.Keys is not { } keys)
            return new BatchOutcome.NotReady("The keysets are not loaded and checked against the database yet. See /readyz.");
        if (quarantine.Problem is { } noRoom)
            return new BatchOutcome.NotReady(noRoom);

        if (batch.Messages.Count == 0)
            return new BatchOutcome.Done(new LoginBatchResult([]));

        var now = time.GetUtcNow();
        var messages = batch.Messages
            .Select(message => new PendingMessage(message, now))
            .ToArray();
        try
        {
            // The table may have moved to a key that this replica has not read yet.
            foreach (var keyId in keys.All)
            {
                if (keyring.Current?.CanMaskUnder(keyId) is not true)
                    await keyring.ReloadForAsync(keyId, cancellation);
            }

            masker.Mask(messages, keys);
        }
        catch (KeyUnavailableException e)
        {
            return new BatchOutcome.NotReady(e.Message);
        }

        if (!await writer.TryWriteAsync(messages, cancellation))
            return new BatchOutcome.Busy();

        var outcomes = Array.ConvertAll(messages, message => message.Outcome);
        metrics.Record(messages, time.GetUtcNow());
        var quarantined = messages.Where(message => message.Outcome is LoginOutcome.Quarantined).ToArray();
        quarantine.Added(quarantined.Length, quarantined.Sum(message => (long)message.SealedPayload.Length));
        logger.BatchDone(
            outcomes.Count(outcome => outcome is LoginOutcome.Stored),
            outcomes.Count(outcome => outcome is LoginOutcome.Repeated),
            outcomes.Count(outcome => outcome is LoginOutcome.Quarantined),
            outcomes.Count(outcome => outcome is LoginOutcome.Erased),
            outcomes.Count(outcome => outcome is LoginOutcome.Retry));
        return new BatchOutcome.Done(new LoginBatchResult(outcomes));
    }
}
