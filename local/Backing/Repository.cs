namespace PiiMasking.Backing;

/// <summary>Where this program's repository is on disk.</summary>
public static class Repository
{
    private static readonly Lazy<string> Found = new(() => Find(AppContext.BaseDirectory));

    /// <summary>The folder that holds PiiMasking.sln.</summary>
    /// <exception cref="BackingException">The program was copied out of its repository.</exception>
    public static string Root => Found.Value;

    /// <summary>What a system on this machine keeps between runs: packages, data, keysets, logs. Ignored by git.</summary>
    public static string LocalFolder => Path.Combine(Root, ".local");

    private static string Find(string start)
    {
        for (var folder = new DirectoryInfo(start); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "PiiMasking.sln")))
                return folder.FullName;
        }

        throw new BackingException($"No PiiMasking.sln in {start} or above it: run this program from a clone of its repository.");
    }
}
