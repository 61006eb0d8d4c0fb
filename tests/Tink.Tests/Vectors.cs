using System.Text;
using System.Text.Json;

namespace PiiMasking.Tink.Tests;

/// <summary>The published test vectors; see vectors/SOURCES.md.</summary>
internal static class Vectors
{
    public static JsonElement Load(string file)
    {
        using var stream = File.OpenRead(Path.Combine(AppContext.BaseDirectory, "vectors", file));
        using var document = JsonDocument.Parse(stream);
        return document.RootElement.Clone();
    }

    /// <summary>Every test of a Wycheproof file, each with its group.</summary>
    public static IEnumerable<(JsonElement Group, JsonElement Test)> Wycheproof(string file) =>
        from testGroup in Load($"wycheproof/{file}").GetProperty("testGroups").EnumerateArray()
        from test in testGroup.GetProperty("tests").EnumerateArray()
        select (testGroup, test);

    public static byte[] Hex(this JsonElement element, string member) => Convert.FromHexString(element.Text(member));

    public static string Text(this JsonElement element, string member) => element.GetProperty(member).GetString()!;

    public static bool IsValid(this JsonElement test) => test.Text("result") == "valid";

    public static int Id(this JsonElement test) => test.GetProperty("tcId").GetInt32();

    public static Keyset Keyset(string json) => Tink.Keyset.Parse(Encoding.UTF8.GetBytes(json));

    /// <summary>A keyset with one enabled key, from its protobuf.</summary>
    public static string KeysetJson(string type, byte[] proto, uint id = 1, string status = "ENABLED", string prefix = "TINK") =>
        $$"""
        {"primaryKeyId":{{id}},"key":[{"keyData":{"typeUrl":"type.googleapis.com/google.crypto.tink.{{type}}",
        "value":"{{Convert.ToBase64String(proto)}}","keyMaterialType":"SYMMETRIC"},
        "status":"{{status}}","keyId":{{id}},"outputPrefixType":"{{prefix}}"}]}
        """;

    /// <summary>A token's prefix: 0x01 and key id 1, then the parts.</summary>
    public static byte[] Token(params byte[][] parts) => [1, 0, 0, 0, 1, .. parts.SelectMany(part => part)];
}
