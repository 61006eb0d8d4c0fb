using System.Diagnostics.Metrics;
using PiiMasking.Contracts;

namespace PiiMasking.IngestionService.Intake;

/// <summary>What the intake counts. Tags are outcomes, reason codes and status codes; never anything out of a message.</summary>
internal sealed class IntakeMetrics
{
    public const string MeterName = "PiiMasking.Ingestion";

    private readonly Counter<long> received;
    private readonly Counter<long> outcomes;
    private readonly Counter<long> rejected;
    private readonly Histogram<int> deliverySize;
    private readonly Histogram<double> callDuration;

    public IntakeMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(MeterName);
        received = meter.CreateCounter<long>("intake.messages.received", "{message}", "Messages taken out of deliveries.");
        outcomes = meter.CreateCounter<long>("intake.messages.outcomes", "{message}", "What became of them, by outcome.");
        rejected = meter.CreateCounter<long>("intake.messages.rejected", "{message}", "Messages that are no login, by reason.");
        deliverySize = meter.CreateHistogram<int>("intake.delivery.messages", "{message}", "Messages in one delivery.");
        callDuration = meter.CreateHistogram<double>("intake.call.duration", "s", "Duration of a call to the masking service, by status.");
    }

    public void Taken(List<LoginIntake.Pending> messages)
    {
        received.Add(messages.Count);
        deliverySize.Record(messages.Count);
        foreach (var outcome in messages.CountBy(message => message.Outcome))
            outcomes.Add(outcome.Value, new KeyValuePair<string, object?>("outcome", NameOf(outcome.Key)));
        foreach (var reason in messages.Where(message => message.Sent.Rejection is not null).CountBy(message => message.Sent.Rejection!.Reason))
            rejected.Add(reason.Value, new KeyValuePair<string, object?>("reason", reason.Key));
    }

    public void Called(TimeSpan duration, int status) =>
        callDuration.Record(duration.TotalSeconds, new KeyValuePair<string, object?>("status", status));

    private static string NameOf(LoginOutcome outcome) => outcome switch
    {
        LoginOutcome.Stored => "stored",
        LoginOutcome.Repeated => "repeated",
        LoginOutcome.Quarantined => "quarantined",
        LoginOutcome.Erased => "erased",
        _ => "retry",
    };
}
