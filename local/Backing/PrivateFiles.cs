using System.Text;

namespace PiiMasking.Backing;

/// <summary>Files and folders that only the user may read.</summary>
public static class PrivateFiles
{
    /// <summary>Makes a folder with mode 0700; one that is there already stays as it is.</summary>
    public static void CreateFolder(string path)
    {
        RequireModes();
        if (!OperatingSystem.IsWindows())
            Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    /// <summary>Writes a file with mode 0600, whole or not at all.</summary>
    /// <param name="path">Replaced if it is there.</param>
    /// <param name="text">Written as UTF-8.</param>
    /// <param name="stopping">Ends the writing.</param>
    public static async Task WriteAsync(string path, string text, CancellationToken stopping = default)
    {
        RequireModes();
        var draft = $"{path}.{Environment.ProcessId}.new";
        var options = new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        await using (var file = new FileStream(draft, options))
            await file.WriteAsync(Encoding.UTF8.GetBytes(text), stopping);
        File.Move(draft, path, overwrite: true);
    }

    private static void RequireModes()
    {
        if (OperatingSystem.IsWindows())
            throw new PlatformNotSupportedException("Windows has no file modes.");
    }
}
