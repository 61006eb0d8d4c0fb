namespace PiiMasking.Testing;

/// <summary>A folder of the test's own below the temp path, short enough for socket files; removed at the end.</summary>
public sealed class ScratchFolder : IDisposable
{
    /// <summary>Its full path.</summary>
    public string Path { get; } = Directory.CreateTempSubdirectory("pii-").FullName;

    /// <returns>The full path of something in it.</returns>
    public string this[string name] => System.IO.Path.Combine(Path, name);

    /// <inheritdoc />
    public void Dispose()
    {
        try
        {
            Directory.Delete(Path, recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
            // Removed by the test.
        }
    }
}
