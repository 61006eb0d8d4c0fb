using System.Net;

namespace PiiMasking.Backing;

/// <summary>An SQS emulator (fauxqs) on loopback.</summary>
public sealed class SqsEmulator : IAsyncDisposable
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(60);

    private readonly LocalPackages packages;
    private readonly string? dataFolder;
    private readonly string logFile;
    private readonly LoopbackPort port;
    private ChildProcess process;

    private SqsEmulator(LocalPackages packages, string? dataFolder, string logFile, LoopbackPort port)
    {
        this.packages = packages;
        this.dataFolder = dataFolder;
        this.logFile = logFile;
        this.port = port;
        process = Launch();
    }

    /// <summary>The region that its queues are in.</summary>
    public static string Region => "us-east-1";

    /// <summary>Where a client sends its requests. Any credentials do.</summary>
    public Uri Endpoint => new($"http://127.0.0.1:{port.Number}");

    /// <summary>The running process; another one after <see cref="StartAgainAsync"/>.</summary>
    public ChildProcess Process => process;

    /// <param name="packages">Where the emulator is installed.</param>
    /// <param name="logFile">Receives what it prints.</param>
    /// <param name="dataFolder">Keeps its queues between starts; null keeps them in memory only, which is several times faster.</param>
    /// <param name="stopping">Ends the wait; the emulator is then stopped.</param>
    /// <exception cref="BackingException">It does not start.</exception>
    public static async Task<SqsEmulator> StartAsync(
        LocalPackages packages, string logFile, string? dataFolder = null, CancellationToken stopping = default)
    {
        var emulator = new SqsEmulator(packages, dataFolder, logFile, LoopbackPort.Reserve());
        try
        {
            await emulator.WaitUntilReadyAsync(stopping);
            return emulator;
        }
        catch
        {
            await emulator.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts it again on the same port, after its process ended.</summary>
    public async Task StartAgainAsync(CancellationToken stopping)
    {
        await process.Exited.WaitAsync(stopping);
        process = Launch();
        try
        {
            await WaitUntilReadyAsync(stopping);
        }
        catch
        {
            await process.DisposeAsync();
            throw;
        }
    }

    /// <summary>Stops it.</summary>
    public async ValueTask DisposeAsync()
    {
        await process.DisposeAsync();
        port.Dispose();
    }

    private ChildProcess Launch() => ChildProcess.Start(new ChildProcessStart
    {
        Name = "SQS emulator",
        Program = packages.Node,
        // SQLite in Node.js 22 announces itself as experimental at every start.
        Arguments = ["--disable-warning=ExperimentalWarning", packages.SqsEmulatorScript, port.ToString(), .. dataFolder is null ? [] : (string[])[dataFolder]],
        LogFile = logFile,
    });

    private async Task WaitUntilReadyAsync(CancellationToken stopping)
    {
        using var http = new HttpClient { Timeout = TimeSpan.FromSeconds(2) };
        var health = new Uri(Endpoint, "/health");
        await Readiness.WaitAsync(process, StartLimit, async () => (await http.GetAsync(health, stopping)).StatusCode == HttpStatusCode.OK, stopping);
    }
}
