using System.ComponentModel.DataAnnotations;

namespace PiiMasking.MaskingService.Quarantine;

/// <summary>How much the quarantine may hold. Bound from "Quarantine".</summary>
internal sealed class QuarantineOptions
{
    /// <summary>Messages at which nothing more is consumed.</summary>
    /// <value>A million by default.</value>
    [Range(1, long.MaxValue, ErrorMessage = "Quarantine:MaxMessages must be at least 1.")]
    public long MaxMessages { get; init; } = 1_000_000;

    /// <summary>Bytes of sealed payloads at which nothing more is consumed. The database's disk has to have room for them.</summary>
    /// <value>10 GiB by default.</value>
    [Range(1, long.MaxValue, ErrorMessage = "Quarantine:MaxBytes must be at least 1.")]
    public long MaxBytes { get; init; } = 10L << 30;

    /// <summary>Share of either bound from which the service warns.</summary>
    [Range(0.01, 1.0, ErrorMessage = "Quarantine:WarnAt must be 0.01 to 1.")]
    public double WarnAt { get; init; } = 0.8;
}
