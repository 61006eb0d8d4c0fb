using System.Text.Json;

namespace PiiMasking.MaskingService.Tests.Keys;

/// <summary>The published JWE vectors; see vectors/SOURCES.md.</summary>
internal static class JweVectors
{
    private static readonly JsonElement File = Load();

    public static IEnumerable<JsonElement> Tests => File.GetProperty("tests").EnumerateArray();

    public static JsonElement Test(string name) => Tests.Single(test => Text(test, "name") == name);

    public static JsonElement Key(string name) => File.GetProperty("keys").EnumerateArray().Single(key => Text(key, "name") == name);

    public static string Text(this JsonElement element, string member) => element.GetProperty(member).GetString()!;

    private static JsonElement Load()
    {
        using var stream = System.IO.File.OpenRead(Path.Combine(AppContext.BaseDirectory, "Keys", "vectors", "jwe-keyset.json"));
        using var document = JsonDocument.Parse(stream);
        return document.RootElement.Clone();
    }
}
