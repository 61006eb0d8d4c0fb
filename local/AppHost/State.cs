using System.Globalization;
using PiiMasking.Backing;

namespace PiiMasking.AppHost;

/// <summary>What a system keeps from run to run: data, queue, keysets, logs. One AppHost at a time works with it.</summary>
internal sealed class State : IDisposable
{
    private const int KeptLogs = 10;

    private readonly FolderLock held;

    private State(string folder, FolderLock held, TimeProvider time)
    {
        Folder = folder;
        this.held = held;
        Logs = Path.Combine(folder, "logs", time.GetUtcNow().ToString("yyyyMMdd-HHmmss-fff", CultureInfo.InvariantCulture));
    }

    /// <summary>The folder of it all.</summary>
    public string Folder { get; }

    public string Postgres => Path.Combine(Folder, "postgres");

    public string Queue => Path.Combine(Folder, "sqs");

    public string Secrets => Path.Combine(Folder, "secrets.json");

    /// <summary>The key that signs bearer tokens for the people port.</summary>
    public string PeopleKey => Path.Combine(Folder, "people-signing-key");

    /// <summary>This run's log files; those of the last ten runs are kept.</summary>
    public string Logs { get; }

    /// <summary>The first free one: the folder itself, or its subfolder 2, 3, … while other AppHosts run.</summary>
    /// <param name="folder">Usually .local.</param>
    /// <param name="say">Told if it is not the first.</param>
    /// <exception cref="BackingException">Too many run already.</exception>
    public static State Take(string folder, Action<string> say)
    {
        const int most = 20;
        if (TryTake(folder) is { } first)
            return first;
        for (var number = 2; number <= most; number++)
        {
            var other = Path.Combine(folder, number.ToString(CultureInfo.InvariantCulture));
            if (TryTake(other) is { } state)
            {
                say($"Another AppHost works with {folder}; this one keeps its data and keysets in {other}");
                return state;
            }
        }

        throw new BackingException($"{most} AppHosts are running: stop one first.");
    }

    /// <exception cref="BackingException">Another AppHost works with it.</exception>
    public static State TakeFirst(string folder) =>
        TryTake(folder) ?? throw new BackingException($"Another AppHost works with {folder}: stop it first.");

    /// <summary>Removes everything but the logs.</summary>
    public void Reset()
    {
        foreach (var data in new[] { Postgres, Postgres + ".new", Queue })
        {
            if (Directory.Exists(data))
                Directory.Delete(data, recursive: true);
        }

        File.Delete(Secrets);
        File.Delete(PeopleKey);
    }

    /// <summary>Makes this run's log folder and removes those of the oldest runs.</summary>
    public void OpenLogs()
    {
        Directory.CreateDirectory(Logs);
        var old = Directory.GetDirectories(Path.GetDirectoryName(Logs)!).Order(StringComparer.Ordinal).SkipLast(KeptLogs);
        foreach (var run in old)
            Directory.Delete(run, recursive: true);
    }

    public void Dispose() => held.Dispose();

    private static State? TryTake(string folder)
    {
        PrivateFiles.CreateFolder(folder);
        return FolderLock.TryTake(Path.Combine(folder, "lock")) is { } held ? new State(folder, held, TimeProvider.System) : null;
    }
}
