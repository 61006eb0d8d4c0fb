namespace PiiMasking.Backing;

/// <summary>Only one process at a time holds the lock on a file. Gone with the process, however it ends (flock).</summary>
public sealed class FolderLock : IDisposable
{
    private readonly FileStream file;

    private FolderLock(FileStream file) => this.file = file;

    /// <param name="path">The lock's file; made if need be, and left there.</param>
    /// <returns>The lock, or null if another process (or another part of this one) holds it.</returns>
    public static FolderLock? TryTake(string path)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        try
        {
            return new FolderLock(new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>Waits until the lock is free, looking ten times a second.</summary>
    /// <param name="path">The lock's file.</param>
    /// <param name="waiting">Called once if somebody else holds it.</param>
    /// <param name="stopping">Ends the wait.</param>
    public static async Task<FolderLock> TakeAsync(string path, Action waiting, CancellationToken stopping)
    {
        for (var first = true; ; first = false)
        {
            if (TryTake(path) is { } taken)
                return taken;
            if (first)
                waiting();
            await Task.Delay(TimeSpan.FromMilliseconds(100), stopping);
        }
    }

    /// <inheritdoc />
    public void Dispose() => file.Dispose();
}
