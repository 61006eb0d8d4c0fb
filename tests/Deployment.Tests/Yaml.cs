using PiiMasking.Backing;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;
using YamlDotNet.Serialization;
using YamlDotNet.Serialization.NamingConventions;

namespace PiiMasking.Deployment.Tests;

/// <summary>Reads the repository's YAML into types that name every key they allow; anything else is refused.</summary>
internal static class Yaml
{
    /// <returns>Paths of all YAML files below a folder of the repository, from its root.</returns>
    public static IEnumerable<string> FilesIn(string folder) =>
        new[] { "*.yaml", "*.yml" }
            .SelectMany(pattern => Directory.EnumerateFiles(Path.Combine(Repository.Root, folder), pattern, SearchOption.AllDirectories))
            .Select(file => Path.GetRelativePath(Repository.Root, file))
            .Order(StringComparer.Ordinal);

    public static string Text(string path) => File.ReadAllText(Path.Combine(Repository.Root, path));

    /// <exception cref="YamlException">A key is unknown, there twice, or of the wrong kind.</exception>
    public static T Read<T>(string path) => Parse<T>(Text(path));

    public static T Parse<T>(string text)
    {
        var parser = new MergingParser(new Parser(new StringReader(text)));
        parser.Consume<StreamStart>();
        var value = Strict().Deserialize<T>(parser);
        Assert.True(parser.TryConsume<StreamEnd>(out _), "more than one document");
        return value;
    }

    private static IDeserializer Strict() =>
        new DeserializerBuilder().WithNamingConvention(CamelCaseNamingConvention.Instance).WithDuplicateKeyChecking().Build();
}
