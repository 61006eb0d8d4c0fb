using System.Text;
using System.Text.Json;

namespace PiiMasking.Testing;

/// <summary>A message that somebody might send by mistake or on purpose, and what has to become of it. They are in <c>Corpus/</c>.</summary>
/// <param name="Name">What is odd about it; unique.</param>
/// <param name="Body">Its bytes.</param>
/// <param name="IsText">Whether a queue takes them as they are.</param>
/// <param name="Expect"><c>stored</c>, or the reason for which it is in quarantine.</param>
/// <param name="Becomes">For a stored one, what members are then, by their name; null for NULL.</param>
/// <param name="Attributes">Attributes of the queue message.</param>
public sealed record HostileBody(
    string Name,
    byte[] Body,
    bool IsText,
    string Expect,
    IReadOnlyDictionary<string, JsonElement> Becomes,
    IReadOnlyDictionary<string, string> Attributes)
{
    private static readonly Dictionary<string, JsonElement> Nothing = [];

    /// <summary>All of the corpus.</summary>
    public static IReadOnlyList<HostileBody> All { get; } =
    [
        .. Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "Corpus"), "*.jsonl").Order(StringComparer.Ordinal)
            .SelectMany(File.ReadLines)
            .Select(Read),
    ];

    /// <summary>Whether it becomes a row.</summary>
    public bool IsStored => Expect == "stored";

    /// <summary>Its name.</summary>
    public override string ToString() => Name;

    private static HostileBody Read(string line)
    {
        var entry = JsonSerializer.Deserialize<JsonElement>(line);
        var isText = entry.TryGetProperty("body", out var body);
        return new HostileBody(
            entry.GetProperty("name").GetString()!,
            isText ? Encoding.UTF8.GetBytes(body.GetString()!) : entry.GetProperty("base64").GetBytesFromBase64(),
            isText,
            entry.GetProperty("expect").GetString()!,
            entry.TryGetProperty("becomes", out var becomes) ? becomes.EnumerateObject().ToDictionary(member => member.Name, member => member.Value) : Nothing,
            entry.TryGetProperty("attributes", out var attributes)
                ? attributes.EnumerateObject().ToDictionary(attribute => attribute.Name, attribute => attribute.Value.GetString()!)
                : []);
    }
}
