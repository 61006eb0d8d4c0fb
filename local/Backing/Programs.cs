namespace PiiMasking.Backing;

/// <summary>Finds programs by the PATH.</summary>
public static class Programs
{
    /// <returns>Full path of the first executable file of that name on the PATH, or null.</returns>
    public static string? Find(string name) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .Select(folder => Path.Combine(folder, name))
            .FirstOrDefault(IsExecutable);

    /// <param name="name">Name of the program.</param>
    /// <param name="remedy">How to get it, as a sentence's end: "install the package util-linux".</param>
    /// <exception cref="BackingException">It is not there.</exception>
    public static string Require(string name, string remedy) =>
        Find(name) ?? throw new BackingException($"{name} is not on the PATH: {remedy}, and run again.");

    private static bool IsExecutable(string path) =>
        File.Exists(path)
        && (OperatingSystem.IsWindows()
            || (File.GetUnixFileMode(path) & (UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute)) != 0);
}
