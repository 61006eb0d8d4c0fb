using PiiMasking.Backing;

namespace PiiMasking.AppHost;

/// <summary>A folder of this run: socket files, and what sidecars find by relative paths. Gone with this process, however it ends.</summary>
internal sealed class RunFolder : IAsyncDisposable
{
    // sockaddr_un holds 107 bytes; the longest name below this folder is that of the component's socket.
    private const int LongestFolder = 107 - 24;

    private RunFolder(string path, Caretaker caretaker)
    {
        Folder = path;
        Caretaker = caretaker;
    }

    public string Folder { get; }

    /// <summary>Ends what this process leaves behind.</summary>
    public Caretaker Caretaker { get; }

    /// <summary>Where the component puts its socket and the ingestion sidecar looks for it.</summary>
    public string Sockets => Path.Combine(Folder, "sockets");

    /// <summary>For the sidecar that has no use for the component: daprd stops at any socket that does not answer.</summary>
    public string NoSockets => Path.Combine(Folder, "no-sockets");

    /// <summary>Lets two systems on one machine have services of the same names.</summary>
    public string NameResolution => Path.Combine(Folder, "name-resolution.yaml");

    /// <summary>Makes it, with mode 0700.</summary>
    /// <param name="state">What <c>.local</c> stands for in the component files.</param>
    public static RunFolder Create(State state)
    {
        var temp = Path.GetTempPath();
        var folder = Directory.CreateTempSubdirectory("pii-").FullName;
        if (folder.Length > LongestFolder)
        {
            Directory.Delete(folder);
            throw new BackingException($"The temp path {temp} is too long for socket files: set TMPDIR to a shorter one, such as /tmp.");
        }

        var run = new RunFolder(folder, Caretaker.Start(folder));
        Directory.CreateDirectory(run.Sockets);
        Directory.CreateDirectory(run.NoSockets);
        // components/local/secrets.yaml names .local/secrets.json; sidecars run in this folder.
        Directory.CreateSymbolicLink(Path.Combine(folder, ".local"), state.Folder);
        File.WriteAllText(run.NameResolution, $"""
            apiVersion: dapr.io/v1alpha1
            kind: Configuration
            metadata:
              name: name-resolution
            spec:
              nameResolution:
                component: sqlite
                version: v1
                configuration:
                  connectionString: {Path.Combine(folder, "names.db")}

            """);
        return run;
    }

    public ValueTask DisposeAsync() => Caretaker.DisposeAsync();
}
