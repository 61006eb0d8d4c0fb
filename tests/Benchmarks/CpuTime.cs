using System.Globalization;

namespace PiiMasking.Benchmarks;

/// <summary>CPU time of processes and all that they started, from /proc. Unlike the clock it does not care what else the machine does.</summary>
internal static class CpuTime
{
    // sysconf(_SC_CLK_TCK) of Linux.
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(10);

    /// <summary>User and system time so far of a process, its descendants, and those of them that have ended.</summary>
    public static TimeSpan Of(int processId)
    {
        var all = Directory.EnumerateDirectories("/proc").Select(Path.GetFileName).Where(name => char.IsAsciiDigit(name![0])).Select(Read)
            .Where(process => process is not null).Select(process => process!.Value).ToLookup(process => process.Parent);
        return Read(processId.ToString(CultureInfo.InvariantCulture)) is { } root ? Sum(root) : TimeSpan.Zero;

        TimeSpan Sum((int Id, int Parent, long Ticks) process) =>
            all[process.Id].Aggregate(Tick * process.Ticks, (sum, child) => sum + Sum(child));
    }

    private static (int Id, int Parent, long Ticks)? Read(string? processId)
    {
        try
        {
            var text = File.ReadAllText($"/proc/{processId}/stat");
            // The name, in brackets, may have spaces in it. Fields behind it: state, ppid, …; utime, stime, cutime, cstime are 12 to 15.
            var fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
            return (
                int.Parse(processId!, CultureInfo.InvariantCulture),
                int.Parse(fields[1], CultureInfo.InvariantCulture),
                fields[11..15].Sum(field => long.Parse(field, CultureInfo.InvariantCulture)));
        }
        catch (IOException)
        {
            return null;   // It has ended.
        }
    }
}
