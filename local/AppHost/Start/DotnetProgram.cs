using System.Runtime.InteropServices;
using PiiMasking.Backing;

namespace PiiMasking.AppHost;

/// <summary>The programs of this repository, as they were built beside this one.</summary>
internal static class DotnetProgram
{
    /// <summary>The dotnet that runs this program: three folders above its runtime.</summary>
    public static string Dotnet { get; } = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", "dotnet"));

    /// <returns>Full path of a project's assembly in the same configuration as this one: artifacts/bin/X/debug/X.dll.</returns>
    /// <exception cref="BackingException">It has not been built.</exception>
    public static string Assembly(string project)
    {
        var here = new DirectoryInfo(AppContext.BaseDirectory);
        var path = Path.Combine(here.Parent!.Parent!.FullName, project, here.Name, $"{project}.dll");
        return File.Exists(path)
            ? path
            : throw new BackingException($"{project} is not built ({path} is missing): run dotnet build PiiMasking.sln.");
    }

    /// <summary>How to start one of them as a child of this process.</summary>
    public static ChildProcessStart Start(
        string project, string logFile, Dictionary<string, string?> environment, bool debug, params IEnumerable<string> arguments)
    {
        var assembly = Assembly(project);
        // As in the images, see deploy/docker/Dockerfile.
        environment["DOTNET_GCgen0size"] = "0x1000000";
        environment["ASPNETCORE_URLS"] = null;
        if (debug)
            environment["Logging__LogLevel__Default"] = "Debug";
        return new ChildProcessStart
        {
            Name = project,
            Program = Dotnet,
            Arguments = [assembly, .. arguments],
            Environment = environment,
            // Its appsettings.json is there.
            WorkingFolder = Path.GetDirectoryName(assembly),
            LogFile = logFile,
        };
    }
}
