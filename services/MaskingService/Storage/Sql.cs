using System.Reflection;

namespace PiiMasking.MaskingService.Storage;

/// <summary>The queries and migrations of this service: <c>.sql</c> files beside the classes that run them, embedded under their file names.</summary>
internal static class Sql
{
    private static readonly Assembly Here = typeof(Sql).Assembly;

    /// <summary>Text of one file, such as <c>store_messages.sql</c>.</summary>
    /// <exception cref="InvalidOperationException">There is no such file: a mistake in this program.</exception>
    public static string Load(string fileName)
    {
        using var stream = Here.GetManifestResourceStream(fileName)
            ?? throw new InvalidOperationException($"{fileName} is not embedded in {Here.GetName().Name}.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    /// <summary>File names of the migrations, which begin with a number of four digits, in their order.</summary>
    public static IReadOnlyList<string> Migrations { get; } =
        [.. Here.GetManifestResourceNames()
            .Where(name => name.Length > 5 && name.EndsWith(".sql", StringComparison.Ordinal) && name[..4].All(char.IsAsciiDigit))
            .Order(StringComparer.Ordinal)];
}
