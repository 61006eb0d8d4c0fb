using System.Globalization;
using System.Text.Json;

namespace PiiMasking.Sidecar.Components;

/// <summary>secretstores.local.file: a JSON file, read once.</summary>
/// <remarks>
/// A leaf that is no string comes out as Go's string verb prints it, "%!s(float64=1)", as with daprd: whoever stores a number
/// learns it here and not in production.
/// </remarks>
internal sealed class LocalFileSecretStore : ISecretStore
{
    private readonly Dictionary<string, IReadOnlyDictionary<string, string>> secrets = new(StringComparer.Ordinal);

    /// <exception cref="ComponentException">The file is missing, unreadable or no JSON object. Never quotes the file.</exception>
    public LocalFileSecretStore(IReadOnlyDictionary<string, string> properties)
    {
        var path = properties.GetValueOrDefault("secretsFile") is { Length: > 0 } file
            ? file
            : throw new ComponentException("missing local secrets file in metadata: set secretsFile");
        var separator = properties.GetValueOrDefault("nestedSeparator") is { Length: > 0 } given ? given : ":";
        var multiValued = GoText.TryBool(properties.GetValueOrDefault("multiValued") ?? "", out var on) && on;

        using var document = Read(path);
        var leaves = new List<(string Name, string Value)>();
        foreach (var member in document.RootElement.EnumerateObject())
        {
            leaves.Clear();
            if (!multiValued)
            {
                Flatten(member.Name, member.Value, separator, leaves);
                foreach (var (name, value) in leaves)
                    secrets[name] = Single(name, value);
            }
            else if (member.Value.ValueKind == JsonValueKind.String)
            {
                secrets[member.Name] = Single(member.Name, member.Value.GetString()!);
            }
            else if (member.Value.ValueKind == JsonValueKind.Object)
            {
                foreach (var inner in member.Value.EnumerateObject())
                    Flatten(inner.Name, inner.Value, separator, leaves);
                secrets[member.Name] = leaves.ToDictionary(leaf => leaf.Name, leaf => leaf.Value, StringComparer.Ordinal);
            }
        }

        Features = multiValued ? ["MULTIPLE_KEY_VALUES_PER_SECRET"] : [];
    }

    public IReadOnlyCollection<string> Features { get; }

    public IReadOnlyDictionary<string, string>? Get(string name) => secrets.GetValueOrDefault(name);

    public IReadOnlyDictionary<string, IReadOnlyDictionary<string, string>> GetAll() => secrets;

    private static JsonDocument Read(string path)
    {
        try
        {
            var document = JsonDocument.Parse(File.ReadAllBytes(path));
            if (document.RootElement.ValueKind == JsonValueKind.Object)
                return document;
            document.Dispose();
            throw new ComponentException($"the secrets file {path} is not a JSON object");
        }
        catch (JsonException broken)
        {
            throw new ComponentException($"the secrets file {path} is not valid JSON (line {broken.LineNumber + 1})");
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            var why = unreadable is FileNotFoundException or DirectoryNotFoundException ? "does not exist" : "cannot be read";
            throw new ComponentException($"the secrets file {path} {why} (working directory {Environment.CurrentDirectory})");
        }
    }

    private static void Flatten(string name, JsonElement value, string separator, List<(string Name, string Value)> leaves)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var member in value.EnumerateObject())
                    Flatten(name + separator + member.Name, member.Value, separator, leaves);
                break;
            case JsonValueKind.Array:
                var position = 0;
                foreach (var item in value.EnumerateArray())
                    Flatten(name + separator + position++.ToString(CultureInfo.InvariantCulture), item, separator, leaves);
                break;
            default:
                leaves.Add((name, Leaf(value)));
                break;
        }
    }

    private static string Leaf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString()!,
        JsonValueKind.Number => $"%!s(float64={GoText.Float(value.GetDouble())})",
        JsonValueKind.True => "%!s(bool=true)",
        JsonValueKind.False => "%!s(bool=false)",
        _ => "%!s(<nil>)",
    };

    private static Dictionary<string, string> Single(string name, string value) => new(StringComparer.Ordinal) { [name] = value };
}
