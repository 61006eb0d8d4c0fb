using System.Diagnostics.Metrics;

namespace PiiMasking.MaskingService.Keys;

/// <summary>How reading the keysets goes, and which keys are primary: replicas that differ must show before a rotation goes on.</summary>
internal sealed class KeyMetrics
{
    public const string MeterName = "PiiMasking.MaskingService.Keys";
    public const string Changed = "changed";
    public const string Unchanged = "unchanged";
    public const string Refused = "refused";

    private readonly Counter<long> loads;
    private readonly TimeProvider time;
    private (uint Masking, uint Quarantine)? primaries;
    private long? lastReadAt;

    public KeyMetrics(IMeterFactory meters, TimeProvider time)
    {
        this.time = time;
        var meter = meters.Create(MeterName);
        loads = meter.CreateCounter<long>(
            "piimasking.keysets.loads", "{load}", "Readings of the keysets, by outcome: changed, unchanged, refused.");
        meter.CreateObservableGauge(
            "piimasking.keysets.primary_key_id", ObservePrimaries, "{id}", "Id of each keyset's primary key.");
        meter.CreateObservableGauge(
            "piimasking.keysets.age", ObserveAge, "s", "Since the keysets in use were last read, and found good.");
    }

    public void Loaded(string outcome)
    {
        loads.Add(1, new KeyValuePair<string, object?>("outcome", outcome));
        if (outcome != Refused)
            lastReadAt = time.GetTimestamp();
    }

    public void PrimaryKeys(uint masking, uint quarantine) => primaries = (masking, quarantine);

    private IEnumerable<Measurement<double>> ObserveAge() =>
        lastReadAt is { } at ? [new Measurement<double>(time.GetElapsedTime(at).TotalSeconds)] : [];

    private IEnumerable<Measurement<long>> ObservePrimaries()
    {
        if (primaries is not { } ids)
            yield break;
        yield return new(ids.Masking, new KeyValuePair<string, object?>("keyset", "masking"));
        yield return new(ids.Quarantine, new KeyValuePair<string, object?>("keyset", "quarantine"));
    }
}
