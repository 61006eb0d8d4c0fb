using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace PiiMasking.Backing;

/// <summary>What to start, and how.</summary>
public sealed record ChildProcessStart
{
    /// <summary>What the process is called in messages.</summary>
    public required string Name { get; init; }

    /// <summary>Full path of the program.</summary>
    public required string Program { get; init; }

    /// <summary>Its arguments, passed on as they are.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>Variables on top of those of this process; null removes one.</summary>
    public IReadOnlyDictionary<string, string?> Environment { get; init; } = new Dictionary<string, string?>();

    /// <summary>Its folder; this process's own if null.</summary>
    public string? WorkingFolder { get; init; }

    /// <summary>Receives what it prints, behind what is there already.</summary>
    public required string LogFile { get; init; }

    /// <summary>A program and its arguments that change who the process is and then execute it (<c>unshare --user …</c>).</summary>
    public IReadOnlyList<string> Wrapper { get; init; } = [];

    /// <summary>Asks it to stop. Sent by <see cref="ChildProcess.StopAsync"/>, and by the kernel when this process dies.</summary>
    public Signal StopSignal { get; init; } = Signal.Terminate;
}

/// <summary>The signals that this product sends. Linux x64 numbers.</summary>
public enum Signal
{
    /// <summary>SIGINT; to PostgreSQL, a fast shutdown.</summary>
    Interrupt = 2,

    /// <summary>SIGQUIT; to PostgreSQL, an immediate shutdown, which the next start recovers from.</summary>
    Quit = 3,

    /// <summary>SIGKILL.</summary>
    Kill = 9,

    /// <summary>SIGTERM.</summary>
    Terminate = 15,

    /// <summary>SIGSTOP: the process stands still until <see cref="Continue"/>.</summary>
    Stop = 19,

    /// <summary>SIGCONT.</summary>
    Continue = 18,
}

/// <summary>A program that this process started, and that never outlives it.</summary>
/// <remarks>
/// <para>It is told to stop when this process ends, however it ends: the kernel sends the signal (prctl PR_SET_PDEATHSIG, by
/// way of setpriv). It runs in a session of its own, so that Ctrl-C in the terminal reaches only this process, which
/// then stops its children in order.</para>
/// <para>Its output goes straight into its log file: nothing has to be pumped, and what it says while it ends after the
/// death of this process is kept too.</para>
/// </remarks>
public sealed class ChildProcess : IAsyncDisposable
{
    private static readonly Starter StarterThread = new();

    private readonly ChildProcessStart start;
    private readonly Process process;
    private readonly long logOffset;

    private ChildProcess(ChildProcessStart start, Process process, long logOffset)
    {
        this.start = start;
        this.process = process;
        this.logOffset = logOffset;
        Id = process.Id;
        Exited = WaitAsync(process);
    }

    /// <summary>What the process is called in messages.</summary>
    public string Name => start.Name;

    /// <summary>Its process id, which is also its session.</summary>
    public int Id { get; }

    /// <summary>Where its output goes.</summary>
    public string LogFile => start.LogFile;

    /// <summary>Ends with the process; its exit code, or 128 and the signal's number.</summary>
    public Task<int> Exited { get; }

    /// <exception cref="BackingException">util-linux is missing, or the log file cannot be written.</exception>
    public static ChildProcess Start(ChildProcessStart start)
    {
        ArgumentNullException.ThrowIfNull(start);
        const string remedy = "install the package util-linux";

        Directory.CreateDirectory(Path.GetDirectoryName(start.LogFile)!);
        using (File.Open(start.LogFile, FileMode.Append, FileAccess.Write, FileShare.ReadWrite))
        {
            // Says here, with a reason, what would only be an exit code after the start.
        }

        var info = new ProcessStartInfo("/bin/sh")
        {
            WorkingDirectory = start.WorkingFolder ?? "",
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in start.Environment)
            info.Environment[name] = value;

        IEnumerable<string> command =
        [
            "-c", "exec </dev/null >>\"$0\" 2>&1; exec \"$@\"", start.LogFile,
            Programs.Require("setsid", remedy),
            .. start.Wrapper,
            // After the wrapper: a change of user makes the kernel forget the death signal.
            Programs.Require("setpriv", remedy), "--pdeathsig", start.StopSignal.ToKillName(), "--",
            // If this process died before the death signal was set, nobody will send it.
            "/bin/sh", "-c", "test \"$PPID\" = \"$0\" && exec \"$@\"", Environment.ProcessId.ToString(CultureInfo.InvariantCulture),
            start.Program, .. start.Arguments,
        ];
        foreach (var argument in command)
            info.ArgumentList.Add(argument);

        var logOffset = new FileInfo(start.LogFile).Length;
        var process = StarterThread.Start(info);
        process.StandardInput.Close();
        process.StandardOutput.Close();
        process.StandardError.Close();
        return new ChildProcess(start, process, logOffset);
    }

    /// <summary>Sends a signal; nothing happens if the process has ended.</summary>
    public void Send(Signal signal)
    {
        if (!Exited.IsCompleted)
            _ = LibC.Kill(Id, (int)signal);
    }

    /// <summary>Sends its stop signal and waits for the end; after <paramref name="grace"/> kills it.</summary>
    /// <returns>Its exit code, or 128 and the signal's number.</returns>
    public Task<int> StopAsync(TimeSpan grace) => StopAsync(start.StopSignal, grace);

    /// <inheritdoc cref="StopAsync(TimeSpan)" />
    public async Task<int> StopAsync(Signal signal, TimeSpan grace)
    {
        Send(signal);
        try
        {
            return await Exited.WaitAsync(grace);
        }
        catch (TimeoutException)
        {
            Send(Signal.Kill);
            return await Exited;
        }
    }

    /// <returns>The last lines that this process (not an earlier one with the same file) has printed.</returns>
    public IReadOnlyList<string> LastLines(int count = 20)
    {
        const int tailBytes = 64 * 1024;
        using var file = new FileStream(start.LogFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        file.Position = Math.Max(Math.Min(logOffset, file.Length), file.Length - tailBytes);
        using var reader = new StreamReader(file, Encoding.UTF8);
        return [.. reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries).TakeLast(count)];
    }

    /// <summary>Stops it, if it still runs.</summary>
    public async ValueTask DisposeAsync()
    {
        await StopAsync(TimeSpan.FromSeconds(10));
        process.Dispose();
    }

    private static async Task<int> WaitAsync(Process process)
    {
        await process.WaitForExitAsync();
        return process.ExitCode;
    }

    /// <summary>Starts every child from one thread that never ends.</summary>
    /// <remarks>The kernel sends the death signal when the thread that forked ends, and a thread of the pool may end at any time.</remarks>
    private sealed class Starter
    {
        private readonly BlockingCollection<Action> work = [];

        public Starter() => new Thread(() =>
        {
            foreach (var action in work.GetConsumingEnumerable())
                action();
        })
        { IsBackground = true, Name = "child process starter" }.Start();

        public Process Start(ProcessStartInfo info)
        {
            var started = new TaskCompletionSource<Process>(TaskCreationOptions.RunContinuationsAsynchronously);
            work.Add(() =>
            {
                try
                {
                    started.SetResult(Process.Start(info)!);
                }
                catch (Exception error)
                {
                    started.SetException(error);
                }
            });
            return started.Task.GetAwaiter().GetResult();
        }
    }
}

file static class SignalNames
{
    public static string ToKillName(this Signal signal) => signal switch
    {
        Signal.Interrupt => "INT",
        Signal.Quit => "QUIT",
        Signal.Kill => "KILL",
        Signal.Terminate => "TERM",
        _ => throw new ArgumentOutOfRangeException(nameof(signal), signal, "Not a signal that ends a process."),
    };
}
