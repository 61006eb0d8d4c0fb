using PiiMasking.Sidecar.Resources;

namespace PiiMasking.Sidecar.Invocation;

/// <summary>Where the sidecars of this machine find each other.</summary>
/// <remarks>
/// daprd's mdns and sqlite resolvers become a folder with one small file per app id, which holds the address of its internal port:
/// for sqlite beside the database's path, for mdns in the user's temporary folder. A sidecar overwrites its own file at start and
/// removes it at a clean stop; one that was killed leaves an address at which nobody answers.
/// </remarks>
internal sealed class NameResolution
{
    private static readonly TimeSpan BrowseTime = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Retry = TimeSpan.FromMilliseconds(100);

    private readonly string? folder;
    private readonly string? format;
    private readonly bool browses;
    private readonly SidecarOptions options;
    private readonly TimeProvider time;

    /// <exception cref="StartupException">A resolver that the stand-in does not have, or one without its setting.</exception>
    public NameResolution(SidecarOptions options, Configuration configuration, TimeProvider time)
    {
        this.options = options;
        this.time = time;
        var component = configuration.NameResolution?.Component is { Length: > 0 } named ? named.ToLowerInvariant() : "mdns";
        switch (component)
        {
            case "mdns":
                var user = string.Concat(Environment.UserName.Where(char.IsAsciiLetterOrDigit));
                folder = Path.Combine(Path.GetTempPath(), $"dapr-sidecar-apps-{user}");
                browses = true;
                break;
            case "sqlite":
                folder = PathOf(Required("connectionString")) + ".apps";
                break;
            case "nameformat":
                format = Required("format");
                if (!format.Contains("{appid}", StringComparison.Ordinal))
                    throw new StartupException("nameResolution nameformat: configuration.format has no {appid}");
                break;
            default:
                throw new StartupException(
                    $"name resolution component {component} is not supported by this stand-in: mdns, sqlite and nameformat are");
        }

        string Required(string name) => configuration.NameResolution!.Setting(name) is { Length: > 0 } value
            ? value
            : throw new StartupException($"nameResolution {component} needs configuration.{name}");
    }

    /// <returns>Host and port of the app's sidecar, or null if there is none.</returns>
    public async Task<string?> ResolveAsync(string appId, CancellationToken stopping)
    {
        if (format is not null)
            return format.Replace("{appid}", appId, StringComparison.Ordinal);

        // mDNS listens for a second before it gives up; the other side may just be starting.
        var giveUpAt = time.GetTimestamp();
        for (; ; )
        {
            if (await ReadAsync(FileOf(appId), stopping) is { } address)
                return address;
            if (!browses || time.GetElapsedTime(giveUpAt) >= BrowseTime)
                return null;
            await Task.Delay(Retry, time, stopping);
        }
    }

    /// <exception cref="StartupException">The folder cannot be written to.</exception>
    public void Register()
    {
        try
        {
            WriteOwnAddress();
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw new StartupException($"the name resolution's folder {folder} cannot be written to: {refused.GetType().Name}");
        }
    }

    private void WriteOwnAddress()
    {
        if (folder is null)
            return;
        if (OperatingSystem.IsWindows())
            Directory.CreateDirectory(folder);
        else
            Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);

        // Renamed into place, so that no reader sees half an address.
        var file = FileOf(options.AppId);
        var fresh = $"{file}.{Environment.ProcessId}";
        File.WriteAllText(fresh, OwnAddress);
        File.Move(fresh, file, overwrite: true);
    }

    /// <summary>Takes the own address out, unless another sidecar with the same id has replaced it.</summary>
    public async Task UnregisterAsync()
    {
        if (folder is not null && await ReadAsync(FileOf(options.AppId), CancellationToken.None) == OwnAddress)
            File.Delete(FileOf(options.AppId));
    }

    private string OwnAddress => $"127.0.0.1:{options.InternalPort}";

    private string FileOf(string appId) => Path.Combine(folder!, Uri.EscapeDataString(appId));

    private static async Task<string?> ReadAsync(string file, CancellationToken stopping)
    {
        try
        {
            return await File.ReadAllTextAsync(file, stopping) is { Length: > 0 } address ? address : null;
        }
        catch (Exception missing) when (missing is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    // "file:path?cache=shared" is the same database as "path".
    private static string PathOf(string connectionString)
    {
        var path = connectionString.StartsWith("file:", StringComparison.Ordinal) ? connectionString[5..] : connectionString;
        var query = path.IndexOf('?', StringComparison.Ordinal);
        return Path.GetFullPath(query < 0 ? path : path[..query]);
    }
}
