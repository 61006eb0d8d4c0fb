using PiiMasking.Logins;
using PiiMasking.MaskingService.Audit;
using PiiMasking.MaskingService.Keys;
using PiiMasking.MaskingService.Masking;
using PiiMasking.MaskingService.People;
using PiiMasking.Tink;

namespace PiiMasking.MaskingService.Reveal;

/// <summary>What became of one request to reveal. The record of it is durable in every case.</summary>
internal abstract record RevealOutcome
{
    private RevealOutcome() { }

    /// <summary>The values by position; null at those positions whose tokens did not open, if partial answers were asked for.</summary>
    public sealed record Revealed(IReadOnlyList<Pii?> Values, IReadOnlyList<int> Unopened, long AuditRecord) : RevealOutcome;

    /// <summary>Some tokens do not open: named by position, never by value, and never why.</summary>
    public sealed record Refused(IReadOnlyList<int> Unopened) : RevealOutcome;

    /// <summary>The subject has seen as many values today as it may.</summary>
    public sealed record OverBudget(int Charged, int Budget) : RevealOutcome;
}

/// <summary>Opens tokens for people, each time on the record first.</summary>
internal sealed class Revealer(Keyring keyring, AuditLog audit, IntegrityKeys integrity)
{
    /// <summary>Opens the tokens of a request that is well-formed.</summary>
    /// <returns>After the record of it was committed.</returns>
    /// <inheritdoc cref="AuditLog.AppendAsync(AuditEntry, CancellationToken)" path="/exception" />
    public async Task<RevealOutcome> RevealAsync(RevealRequest request, MaskedField field, Caller caller, CancellationToken cancellation)
    {
        var keys = await KeysForAsync(request.Tokens, cancellation);
        var values = request.Tokens.Select(token => field.TryOpen(keys, token)).ToArray();
        var unopened = Enumerable.Range(0, values.Length).Where(position => values[position] is null).ToArray();
        var isAnswered = unopened.Length == 0 || request.Partial;

        var outcome = !isAnswered ? AuditOutcome.Refused : unopened.Length == 0 ? AuditOutcome.Granted : AuditOutcome.Partial;
        var entry = new AuditEntry(caller, AuditAction.Reveal, outcome)
        {
            Detail = unopened.Length == 0 ? null : $"tokens_that_do_not_open={unopened.Length}",
            Reason = request.Reason,
            Ticket = request.Ticket,
            Field = field.Name,
            Tokens = values.Length,
            Charge = isAnswered ? values.Length - unopened.Length : 0,
            Fingerprints = Fingerprints.OfTokens(integrity.Require(), field.Name, request.Tokens),
            KeyIds = KeyIdsOf(request.Tokens.Where((_, position) => values[position] is not null)),
        };
        return await audit.AppendAsync(entry, cancellation) switch
        {
            AppendOutcome.OverBudget over => new RevealOutcome.OverBudget(over.Charged, over.Budget),
            AppendOutcome.Recorded when !isAnswered => new RevealOutcome.Refused(unopened),
            AppendOutcome.Recorded recorded => new RevealOutcome.Revealed(values, unopened, recorded.Number),
            _ => throw new System.Diagnostics.UnreachableException(),
        };
    }

    /// <summary>The keysets, read again if a token names a key that they do not have.</summary>
    private async Task<KeysetState> KeysForAsync(IReadOnlyList<string> tokens, CancellationToken cancellation)
    {
        var keys = keyring.Current ?? throw new PeopleUnavailableException("The keysets are not loaded yet. See /readyz.");
        foreach (var keyId in KeyIdsOf(tokens))
        {
            if (!keys.CanMaskUnder(keyId))
                return await keyring.ReloadForAsync(keyId, cancellation) ?? keyring.Current;
        }

        return keys;
    }

    private static HashSet<uint> KeyIdsOf(IEnumerable<string> tokens)
    {
        var ids = new HashSet<uint>();
        foreach (var token in tokens)
        {
            if (TokenKeyId.TryReadBase64(token, out var id))
                ids.Add(id);
        }

        return ids;
    }
}
