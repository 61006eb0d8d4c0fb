namespace PiiMasking.MaskingService.Duplicates;

/// <summary>A stretch of days up to now.</summary>
/// <param name="Name">As callers name it.</param>
/// <param name="Days">That many days back from today (UTC); null for all.</param>
internal sealed record DuplicateWindow(string Name, int? Days)
{
    /// <summary>All there are, the cheapest to count first.</summary>
    public static IReadOnlyList<DuplicateWindow> All { get; } = [new("1d", 1), new("7d", 7), new("30d", 30), new("all", null)];

    /// <returns>Null if there is none of this name.</returns>
    public static DuplicateWindow? Find(string? name) => All.FirstOrDefault(window => window.Name == name);

    /// <summary>First date that counts.</summary>
    public DateOnly? Since(DateTimeOffset now) => Days is { } days ? DateOnly.FromDateTime(now.UtcDateTime).AddDays(-days) : null;
}
