using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace PiiMasking.Sidecar.Resources;

/// <summary>YAML as JSON, which is how daprd reads it: it turns every document into JSON first.</summary>
internal static partial class Yaml
{
    /// <summary>Reads files that people write: keys in any case, as Go's decoder takes them.</summary>
    public static readonly JsonSerializerOptions Lenient = new(JsonSerializerDefaults.Web)
    {
        AllowTrailingCommas = false,
    };

    /// <summary>The documents of one file: text between lines that start with three dashes.</summary>
    public static IEnumerable<string> Documents(string text) =>
        Separator().Split(text).Where(document => !string.IsNullOrWhiteSpace(document));

    /// <returns>Null for a document that holds nothing but comments.</returns>
    /// <exception cref="YamlException">It is not YAML.</exception>
    public static JsonNode? ToJson(string document)
    {
        var stream = new YamlStream();
        try
        {
            stream.Load(new StringReader(document));
        }
        catch (InvalidOperationException broken)
        {
            // What the scanner throws for some broken documents.
            throw new YamlException("the document cannot be parsed", broken);
        }

        return stream.Documents.Count == 0 ? null : Convert(stream.Documents[0].RootNode);
    }

    /// <summary>The bytes of a spec value: JSON text, strings without their quotes.</summary>
    public static string TextOf(JsonElement? value) => value switch
    {
        null => "",
        { ValueKind: JsonValueKind.Null or JsonValueKind.Undefined } => "",
        { ValueKind: JsonValueKind.String } text => text.GetString()!,
        { } other => other.GetRawText(),
    };

    private static JsonNode? Convert(YamlNode node)
    {
        switch (node)
        {
            case YamlMappingNode mapping:
                var members = new JsonObject();
                foreach (var (key, value) in mapping.Children)
                    members[key is YamlScalarNode { Value: { } name } ? name : key.ToString()] = Convert(value);
                return members;
            case YamlSequenceNode sequence:
                return new JsonArray([.. sequence.Children.Select(Convert)]);
            case YamlScalarNode scalar:
                return Convert(scalar);
            default:
                return null;
        }
    }

    private static JsonValue? Convert(YamlScalarNode scalar)
    {
        var text = scalar.Value ?? "";
        if (scalar.Style is not (ScalarStyle.Plain or ScalarStyle.Any))
            return JsonValue.Create(text);

        switch (text)
        {
            case "" or "~" or "null" or "Null" or "NULL":
                return null;
            case "true" or "True" or "TRUE" or "yes" or "Yes" or "YES" or "on" or "On" or "ON":
                return JsonValue.Create(true);
            case "false" or "False" or "FALSE" or "no" or "No" or "NO" or "off" or "Off" or "OFF":
                return JsonValue.Create(false);
        }

        if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole))
            return JsonValue.Create(whole);
        if (FloatingPoint().IsMatch(text)
            && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var real) && double.IsFinite(real))
            return JsonValue.Create(real);
        return JsonValue.Create(text);
    }

    [GeneratedRegex(@"^---.*$\n?", RegexOptions.Multiline)]
    private static partial Regex Separator();

    [GeneratedRegex(@"^[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?$")]
    private static partial Regex FloatingPoint();
}
