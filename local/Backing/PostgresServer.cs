using System.Globalization;
using Npgsql;

namespace PiiMasking.Backing;

/// <summary>Where a server keeps its data, and how.</summary>
public sealed record PostgresOptions
{
    /// <summary>The data folder; made at the first start.</summary>
    public required string DataFolder { get; init; }

    /// <summary>Password of the superuser <c>postgres</c>, fixed by the first start.</summary>
    public required string Password { get; init; }

    /// <summary>The TCP port on 127.0.0.1; 0 for any free one.</summary>
    public int Port { get; init; }

    /// <summary>Receives what the server prints.</summary>
    public required string LogFile { get; init; }

    /// <summary>False gives up safety against a crash of the machine (not of the server) for speed: for tests.</summary>
    public bool Durable { get; init; } = true;
}

/// <summary>A PostgreSQL server on loopback TCP (no socket file), with scram passwords, run by this process from npm's binaries.</summary>
public sealed class PostgresServer : IAsyncDisposable
{
    private const string Superuser = "postgres";
    private const int AnyUser = 65534;
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(30);

    private readonly LocalPackages packages;
    private readonly PostgresOptions options;
    private readonly IReadOnlyList<string> wrapper;
    private readonly LoopbackPort port;
    private ChildProcess? process;

    private PostgresServer(LocalPackages packages, PostgresOptions options, IReadOnlyList<string> wrapper, LoopbackPort port)
    {
        this.packages = packages;
        this.options = options;
        this.wrapper = wrapper;
        this.port = port;
    }

    /// <summary>The TCP port on 127.0.0.1; the same after a restart.</summary>
    public int Port => port.Number;

    /// <summary>The running process; another one after <see cref="StartAgainAsync"/>.</summary>
    public ChildProcess Process => process ?? throw new InvalidOperationException("The server has not been started.");

    /// <summary>Makes the data folder if it is not there, starts the server and waits until it takes connections.</summary>
    /// <exception cref="BackingException">It does not start; says why.</exception>
    public static async Task<PostgresServer> StartAsync(LocalPackages packages, PostgresOptions options, CancellationToken stopping = default)
    {
        ArgumentNullException.ThrowIfNull(packages);
        ArgumentNullException.ThrowIfNull(options);

        var server = new PostgresServer(packages, options, await WrapperAsync(packages, options, stopping), LoopbackPort.Reserve(options.Port));
        try
        {
            await server.InitialiseAsync(stopping);
            await server.StartAgainAsync(stopping);
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <param name="database">The database.</param>
    /// <param name="user">The login role; the superuser if null.</param>
    /// <param name="password">Its password; the superuser's if null.</param>
    public string ConnectionString(string database = "postgres", string? user = null, string? password = null) =>
        new NpgsqlConnectionStringBuilder
        {
            Host = "127.0.0.1",
            Port = Port,
            Database = database,
            Username = user ?? Superuser,
            Password = password ?? options.Password,
        }.ConnectionString;

    /// <summary>Stops it and waits for its end. It can be started again.</summary>
    /// <param name="signal"><see cref="Signal.Interrupt"/> ends sessions and writes everything out; <see cref="Signal.Quit"/> drops everything;
    /// <see cref="Signal.Kill"/> does not ask. The next start recovers from either of the last two.</param>
    public async Task StopAsync(Signal signal = Signal.Interrupt) => await Process.StopAsync(signal, TimeSpan.FromSeconds(20));

    /// <summary>Starts it on the same port and data, after it was stopped or ended by itself, and waits until it takes connections.</summary>
    public async Task StartAgainAsync(CancellationToken stopping = default)
    {
        if (process is not null)
            await process.Exited.WaitAsync(stopping);

        for (var attempt = 1; ; attempt++)
        {
            process = Launch();
            try
            {
                await Readiness.WaitAsync(process, StartLimit, () => TakesConnectionsAsync(stopping), stopping);
                return;
            }
            catch (BackingException) when (attempt < 50 && LeftoversOfAKill(process))
            {
                await Task.Delay(TimeSpan.FromMilliseconds(200), stopping);
            }
            catch
            {
                await process.DisposeAsync();
                throw;
            }
        }
    }

    /// <summary>Stops it.</summary>
    public async ValueTask DisposeAsync()
    {
        if (process is not null)
            await process.DisposeAsync();
        port.Dispose();
    }

    /// <summary>The processes of a server whose parent was killed notice it a moment later; until then the data folder is theirs.</summary>
    private static bool LeftoversOfAKill(ChildProcess process) => process.LastLines().Any(line =>
        line.Contains("shared memory block", StringComparison.Ordinal) || line.Contains("postmaster.pid", StringComparison.Ordinal));

    private ChildProcess Launch()
    {
        var speed = options.Durable ? [] : (string[])["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"];
        return ChildProcess.Start(new ChildProcessStart
        {
            Name = "PostgreSQL",
            Program = Binary(packages, "postgres"),
            Arguments =
            [
                "-D", options.DataFolder,
                "-c", $"port={port.Number}",
                "-c", "listen_addresses=127.0.0.1",
                "-c", "unix_socket_directories=",
                "-c", "max_connections=100",
                "-c", "timezone=UTC",
                "-c", "log_timezone=UTC",
                .. speed,
            ],
            Environment = Locale,
            Wrapper = wrapper,
            StopSignal = Signal.Interrupt,
            LogFile = options.LogFile,
        });
    }

    private async Task<bool> TakesConnectionsAsync(CancellationToken stopping)
    {
        var settings = new NpgsqlConnectionStringBuilder(ConnectionString()) { Pooling = false, Timeout = 5 };
        await using var connection = new NpgsqlConnection(settings.ConnectionString);
        try
        {
            await connection.OpenAsync(stopping);
            return true;
        }
        catch (PostgresException error) when (error.SqlState == PostgresErrorCodes.InvalidPassword)
        {
            throw new BackingException(
                $"PostgreSQL refuses the superuser's password: the data in {options.DataFolder} was made with another one. "
                + "Give the old password back, or start from nothing (--reset).", error);
        }
        catch (NpgsqlException)
        {
            return false;
        }
    }

    private async Task InitialiseAsync(CancellationToken stopping)
    {
        var versionFile = Path.Combine(options.DataFolder, "PG_VERSION");
        if (File.Exists(versionFile))
        {
            await RequireSameVersionAsync(versionFile, stopping);
            return;
        }

        // Made under another name first: a folder of the right name is always a whole one.
        var parent = Path.GetDirectoryName(Path.GetFullPath(options.DataFolder))!;
        var fresh = options.DataFolder + ".new";
        if (Directory.Exists(fresh))
            Directory.Delete(fresh, recursive: true);
        Directory.CreateDirectory(parent);
        PrivateFiles.CreateFolder(fresh);
        var passwordFile = Path.Combine(parent, Path.GetRandomFileName());
        try
        {
            await PrivateFiles.WriteAsync(passwordFile, options.Password + "\n", stopping);
            if (wrapper is [_, "--reuid", ..] && (LibC.ChangeOwner(fresh, AnyUser, AnyUser) | LibC.ChangeOwner(passwordFile, AnyUser, AnyUser)) != 0)
                throw new BackingException($"The folder {fresh} cannot be given to the user nobody: run as an ordinary user instead of root.");

            await using var initdb = ChildProcess.Start(new ChildProcessStart
            {
                Name = "initdb",
                Program = Binary(packages, "initdb"),
                Arguments =
                [
                    "-D", fresh, "-U", Superuser, "-A", "scram-sha-256", $"--pwfile={passwordFile}",
                    "-E", "UTF8", "--locale=C.UTF-8", "--no-instructions",
                    .. options.Durable ? [] : (string[])["--no-sync"],
                ],
                Environment = Locale,
                Wrapper = wrapper,
                LogFile = options.LogFile,
            });
            if (await initdb.Exited.WaitAsync(stopping) is not 0 and var exitCode)
                throw Readiness.Ended(initdb, exitCode);
        }
        finally
        {
            File.Delete(passwordFile);
        }

        Directory.Move(fresh, options.DataFolder);
    }

    private async Task RequireSameVersionAsync(string versionFile, CancellationToken stopping)
    {
        var data = (await File.ReadAllTextAsync(versionFile, stopping)).Trim();
        var share = Path.Combine(packages.Postgres, "share");
        var catalogue = Directory.EnumerateFiles(share, "postgres.bki", SearchOption.AllDirectories).First();
        var server = (await File.ReadAllLinesAsync(catalogue, stopping))[0].Split(' ')[^1];
        if (data != server)
        {
            throw new BackingException(
                $"The data in {options.DataFolder} belongs to PostgreSQL {data}, and this is {server}: start from nothing (--reset), "
                + "or dump and load it with the tools of both.");
        }
    }

    /// <summary>PostgreSQL refuses to run as root. Where we are root, it runs in a user namespace as nobody (files stay root's).</summary>
    /// <remarks>Where a container forbids user namespaces, it becomes nobody for good, who must then be able to reach the binaries.</remarks>
    private static async Task<IReadOnlyList<string>> WrapperAsync(LocalPackages packages, PostgresOptions options, CancellationToken stopping)
    {
        if (!Environment.IsPrivilegedProcess)
            return [];

        var user = AnyUser.ToString(CultureInfo.InvariantCulture);
        string[][] ways =
        [
            ["unshare", "--user", $"--map-user={user}", $"--map-group={user}"],
            ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"],
        ];
        foreach (var way in ways)
        {
            await using var probe = ChildProcess.Start(new ChildProcessStart
            {
                Name = "PostgreSQL's version",
                Program = Binary(packages, "postgres"),
                Arguments = ["--version"],
                Wrapper = way,
                LogFile = options.LogFile,
            });
            if (await probe.Exited.WaitAsync(stopping) == 0)
                return way;
        }

        throw new BackingException(
            "PostgreSQL does not run as root, and here root may neither make a user namespace nor lend the user nobody this folder: "
            + "run as an ordinary user, or from a folder that every user may enter.");
    }

    private static Dictionary<string, string?> Locale => new() { ["LC_ALL"] = "C.UTF-8", ["PGDATA"] = null, ["PGPORT"] = null };

    private static string Binary(LocalPackages packages, string name) => Path.Combine(packages.Postgres, "bin", name);
}
