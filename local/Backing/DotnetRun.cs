namespace PiiMasking.Backing;

/// <summary>Notices the end of a <c>dotnet run</c> above this process, which a kill -9 of it does not otherwise tell.</summary>
public static class DotnetRun
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(500);

    /// <summary>Ends when the <c>dotnet</c> that started this process has ended; never if another program started it.</summary>
    /// <param name="stopping">Ends the wait.</param>
    public static async Task EndedAsync(CancellationToken stopping)
    {
        var parent = LibC.ParentProcessId();
        if (!IsDotnet(parent))
            await Task.Delay(Timeout.Infinite, stopping);

        while (LibC.ParentProcessId() == parent)
            await Task.Delay(Interval, stopping);
    }

    private static bool IsDotnet(int process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/comm").Trim() == "dotnet";
        }
        catch (IOException)
        {
            return false;
        }
    }
}
