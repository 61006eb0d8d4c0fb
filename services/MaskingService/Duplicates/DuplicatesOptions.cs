using System.ComponentModel.DataAnnotations;

namespace PiiMasking.MaskingService.Duplicates;

/// <summary>How the roll-up of duplicates is kept. Bound from "Duplicates".</summary>
internal sealed class DuplicatesOptions
{
    /// <summary>How often it is refreshed. Where a refresh takes long, the next one waits ten times as long as it took.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "1.00:00:00")]
    public TimeSpan RefreshEvery { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Most groups that are kept for each field and window, the largest; the views have all of them.</summary>
    [Range(100, 10_000_000)]
    public int MaxGroups { get; init; } = 100_000;

    /// <summary>How long counting one field in one window may take.</summary>
    [Range(typeof(TimeSpan), "00:00:10", "06:00:00")]
    public TimeSpan Timeout { get; init; } = TimeSpan.FromMinutes(30);
}
