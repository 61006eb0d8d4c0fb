using System.Diagnostics.Metrics;
using PiiMasking.Contracts;

namespace PiiMasking.MaskingService.Logins;

/// <summary>How many messages ended how. Meter <c>PiiMasking.MaskingService</c>.</summary>
internal sealed class LoginMetrics
{
    public const string MeterName = "PiiMasking.MaskingService";

    private readonly Counter<long> messages;
    private readonly Histogram<double> age;

    public LoginMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(MeterName);
        messages = meter.CreateCounter<long>("pii.logins.messages", "{message}", "Messages by outcome, and by reason where they are quarantined.");
        age = meter.CreateHistogram<double>("pii.logins.age", "s", "Age of a login at its commit, from the time it was sent.");
    }

    /// <summary>Counts messages whose outcome is set.</summary>
    /// <param name="batch">Committed, or known not to be.</param>
    /// <param name="now">After the commit.</param>
    public void Record(IReadOnlyList<PendingMessage> batch, DateTimeOffset now)
    {
        foreach (var group in batch.CountBy(message => (message.Outcome, message.Rejection?.Reason)))
            messages.Add(group.Value, new("outcome", group.Key.Outcome.ToString()), new("reason", group.Key.Reason));
        foreach (var message in batch)
        {
            if (message is { Outcome: LoginOutcome.Stored, SentAt: { } sentAt })
                age.Record((now - sentAt).TotalSeconds);
        }
    }
}
