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
    private (uint Masking, uint Quarantine)? primaries;

    public KeyMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(MeterName);
        loads = meter.CreateCounter<long>(
            "piimasking.keysets.loads", "{load}", "Readings of the keysets, by outcome: changed, unchanged, refused.");
        meter.CreateObservableGauge(
            "piimasking.keysets.primary_key_id", ObservePrimaries, "{id}", "Id of each keyset's primary key.");
    }

    public void Loaded(string outcome) => loads.Add(1, new KeyValuePair<string, object?>("outcome", outcome));

    public void PrimaryKeys(uint masking, uint quarantine) => primaries = (masking, quarantine);

    private IEnumerable<Measurement<long>> ObservePrimaries()
    {
        if (primaries is not { } ids)
            yield break;
        yield return new(ids.Masking, new KeyValuePair<string, object?>("keyset", "masking"));
        yield return new(ids.Quarantine, new KeyValuePair<string, object?>("keyset", "quarantine"));
    }
}
