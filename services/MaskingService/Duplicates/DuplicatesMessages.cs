using System.ComponentModel;
using System.Text.Json.Serialization;
using PiiMasking.MaskingService.People;

namespace PiiMasking.MaskingService.Duplicates;

/// <summary>A page of groups of logins that share a value.</summary>
internal sealed record DuplicatesPage(
    string Field,
    string Window,
    [property: Description("First date of the window (UTC); null for all")] DateOnly? Since,
    [property: Description("When the groups were counted")] DateTimeOffset RefreshedAt,
    [property: Description("How long ago that was, in seconds")] double AgeSeconds,
    [property: Description("How many groups there were")] long TotalGroups,
    [property: Description("How many of them, the largest, can be paged through here; the SQL views have all")] long KeptGroups,
    [property: Description("Largest first")] IReadOnlyList<DuplicateGroup> Groups,
    [property: Description("Send it as \"cursor\" for the next page; null at the end")] string? Next);

/// <summary>Logins that share a value.</summary>
internal sealed record DuplicateGroup(
    [property: Description("The masked value")] string Token,
    long Logins,
    [property: Description("Distinct users")] long Users,
    DateOnly FirstSeen,
    DateOnly LastSeen);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(DuplicatesPage))]
internal sealed partial class DuplicatesJson : JsonSerializerContext
{
    /// <summary>For answers.</summary>
    public static DuplicatesJson Answers => field ??= new(PeopleJson.Readable(Default.Options));
}
