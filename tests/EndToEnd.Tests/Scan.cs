using System.Text;

namespace PiiMasking.EndToEnd.Tests;

/// <summary>A search for a text in files and memory, in every form in which it might lie there.</summary>
internal sealed class Scan
{
    private readonly List<(string Form, byte[] Bytes)> needles = [];

    /// <summary>Adds a text: as UTF-8 and UTF-16, in hexadecimal, and in base64 wherever it begins in what is encoded.</summary>
    public Scan Text(string text)
    {
        Add($"{text} as UTF-8", Encoding.UTF8.GetBytes(text));
        Add($"{text} as UTF-16", Encoding.Unicode.GetBytes(text));
        Add($"{text} as UTF-16, big endian", Encoding.BigEndianUnicode.GetBytes(text));
        Add($"{text} in base64 of UTF-16", Base64(Encoding.Unicode.GetBytes(text), 0));
        for (var before = 0; before < 3; before++)
            Add($"{text} in base64", Base64(Encoding.UTF8.GetBytes(text), before));
        return Raw($"{text}", Encoding.UTF8.GetBytes(text), isText: true);
    }

    /// <summary>Adds bytes, also in hexadecimal.</summary>
    public Scan Raw(string name, byte[] bytes, bool isText = false)
    {
        if (!isText)
            Add($"{name} as bytes", bytes);
        Add($"{name} in hexadecimal", Encoding.ASCII.GetBytes(Convert.ToHexString(bytes)));
        Add($"{name} in hexadecimal", Encoding.ASCII.GetBytes(Convert.ToHexStringLower(bytes)));
        return this;
    }

    /// <summary>Forms that occur in the bytes.</summary>
    public IEnumerable<string> In(byte[] haystack) =>
        needles.Where(needle => haystack.AsSpan().IndexOf(needle.Bytes) >= 0).Select(needle => needle.Form).Distinct();

    /// <summary>Looks into all files below a folder.</summary>
    /// <returns>What was found, with the file's path.</returns>
    public string[] InFolder(string folder) =>
    [
        .. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
            .SelectMany(file => In(File.ReadAllBytes(file)).Select(form => $"{Path.GetRelativePath(folder, file)}: {form}")),
    ];

    private void Add(string form, byte[] bytes) => needles.Add((form, bytes));

    /// <summary>The characters of base64 that depend on nothing but these bytes, with so many others before them.</summary>
    private static byte[] Base64(byte[] bytes, int before)
    {
        var text = Convert.ToBase64String([.. new byte[before], .. bytes]);
        return Encoding.ASCII.GetBytes(text[(((before * 8) + 5) / 6)..((before + bytes.Length) * 8 / 6)]);
    }
}
