using System.Diagnostics;
using System.Globalization;
using PiiMasking.Backing;

namespace PiiMasking.AppHost;

/// <summary>A small process that outlives this one by a moment: waits for its children to end, kills those that do not, removes its folder.</summary>
/// <remarks>
/// It notices the end of this process by the end of its input, so nothing has to be sent and kill -9 makes no difference. The
/// kernel has by then told the children to stop (see <see cref="ChildProcess"/>); they get ten seconds.
/// </remarks>
internal sealed class Caretaker : IAsyncDisposable
{
    // Each line of input is the list of all children there are.
    private const string Script = """
        exec >/dev/null 2>&1
        children=
        while read -r line; do children=$line; done
        tries=100
        for child in $children; do
          while [ "$tries" -gt 0 ] && kill -0 "$child"; do sleep 0.1; tries=$((tries - 1)); done
        done
        [ -z "$children" ] || kill -9 $children
        rm -rf -- "$0"
        """;

    private readonly Process process;
    private readonly HashSet<int> children = [];
    private bool closed;

    private Caretaker(Process process) => this.process = process;

    /// <param name="folder">Removed at the end.</param>
    public static Caretaker Start(string folder)
    {
        // A session of its own, so that a Ctrl-C or a hang-up of the terminal does not end it.
        var info = new ProcessStartInfo(Programs.Require("setsid", "install the package util-linux"))
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = "/",
        };
        foreach (var argument in new[] { "/bin/sh", "-c", Script, folder })
            info.ArgumentList.Add(argument);
        return new Caretaker(Process.Start(info)!);
    }

    /// <summary>Makes sure of this child's end, for as long as it lives.</summary>
    public void Watch(ChildProcess child)
    {
        Change(all => all.Add(child.Id));
        _ = child.Exited.ContinueWith(
            _ => Change(all => all.Remove(child.Id)), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
    }

    /// <summary>Lets it do its work, and waits for it.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (children)
        {
            closed = true;
            process.StandardInput.Close();
        }

        await process.WaitForExitAsync();
        process.Dispose();
    }

    private void Change(Action<HashSet<int>> change)
    {
        lock (children)
        {
            change(children);
            if (closed)
                return;
            process.StandardInput.WriteLine(string.Join(' ', children.Select(child => child.ToString(CultureInfo.InvariantCulture))));
            process.StandardInput.Flush();
        }
    }
}
