using System.Diagnostics.Metrics;
using PiiMasking.MaskingService.Logins;

namespace PiiMasking.MaskingService.Rotation;

/// <summary>How a rotation goes. Meter <c>PiiMasking.MaskingService</c>.</summary>
internal sealed class RotationMetrics
{
    private readonly Counter<long> copied;
    private volatile RotationState? last;

    public RotationMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(LoginMetrics.MeterName);
        copied = meter.CreateCounter<long>("pii.rotation.logins", "{login}", "Logins that this replica copied to a new key.");
        meter.CreateObservableGauge("pii.rotation.progress", Progress, "{share}", "How much of the rotation that is under way is copied, 0 to 1.");
        meter.CreateObservableGauge("pii.rotation.running", Running, "{rotation}", "1 while a rotation is under way, by its phase, else 0.");
    }

    /// <summary>Counts logins that are copied.</summary>
    public void Copied(int logins) => copied.Add(logins);

    /// <summary>Takes note of what the database says.</summary>
    public void Observe(RotationState state) => last = state;

    private IEnumerable<Measurement<double>> Progress() => last?.Running is { } running ? [new(running.Progress)] : [];

    private IEnumerable<Measurement<int>> Running() => last is not { } state ? []
        : state.Running is { } running ? [new(1, new KeyValuePair<string, object?>("phase", running.IsPaused ? "paused" : running.Phase))]
        : [new(0)];
}
