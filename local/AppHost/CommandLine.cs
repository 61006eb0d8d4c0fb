using System.CommandLine;
using PiiMasking.Backing;

namespace PiiMasking.AppHost;

/// <summary>What the user asked for.</summary>
internal sealed record AppHostOptions
{
    /// <summary>End when the messages are through.</summary>
    public bool Once { get; init; }

    /// <summary>How many sample logins to make and send.</summary>
    public int Messages { get; init; } = 100;

    /// <summary>Sent instead of samples: one message body a line. Null for samples.</summary>
    public FileInfo? File { get; init; }

    /// <summary>Remove data, queue and keysets of earlier runs first.</summary>
    public bool Reset { get; init; }

    /// <summary>Start what <c>dapr run -f .</c> does not: database, queue and component.</summary>
    public bool OnlyBacking { get; init; }

    /// <summary>Which sidecar to use.</summary>
    public SidecarChoice Sidecar { get; init; }

    /// <summary>Send one login, print its trace, and end.</summary>
    public bool Trace { get; init; }

    /// <summary>Let everything log at debug level.</summary>
    public bool Debug { get; init; }

    /// <summary>Where data, queue, keysets and logs are kept; null for .local.</summary>
    public DirectoryInfo? State { get; init; }
}

/// <summary>Reads the command line and turns whatever happens into a line and an exit code.</summary>
internal static class CommandLine
{
    private const int Failed = 1;
    private const int Interrupted = 130;

    public static async Task<int> RunAsync(string[] arguments)
    {
        using var stop = new StopRequest();
        // Its own handling of Ctrl-C would end this process two seconds later, orderly or not.
        var invocation = new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null };
        try
        {
            return await Build(options => RunAsync(options, stop)).Parse(arguments).InvokeAsync(invocation, CancellationToken.None);
        }
        catch (BackingException error)
        {
            await Console.Error.WriteLineAsync($"AppHost: {error.Message}");
            return Failed;
        }
        catch (OperationCanceledException) when (stop.Token.IsCancellationRequested)
        {
            await Console.Error.WriteLineAsync("AppHost: stopped before everything was through.");
            return Interrupted;
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            await Console.Error.WriteLineAsync($"AppHost: {error.Message} (not foreseen: please report it with the lines below)\n{error}");
            return Failed;
        }
    }

    /// <summary>The command with all its options; <paramref name="run"/> does the work.</summary>
    internal static RootCommand Build(Func<AppHostOptions, Task<int>> run)
    {
        var once = new Option<bool>("--once") { Description = "End when all messages are through: exit code 0, or 1 if any is not" };
        var messages = new Option<int>("--messages")
        {
            Description = "How many sample logins to make and send, 0 for none",
            DefaultValueFactory = _ => new AppHostOptions().Messages,
        };
        var file = new Option<FileInfo>("--file") { Description = "Send the lines of this file instead of samples, one message body a line" };
        var reset = new Option<bool>("--reset") { Description = "First remove the data, the queue and the keysets of earlier runs" };
        var only = new Option<string?>("--only") { Description = "Start database, queue and component only, for `dapr run -f .`" };
        var sidecar = new Option<string>("--sidecar")
        {
            Description = "daprd, the stand-in of this repository (local), or daprd if it is on the PATH (auto)",
            DefaultValueFactory = _ => "auto",
        };
        var trace = new Option<bool>("--trace") { Description = "Send one login, print its trace from the queue to the row, and end" };
        var debug = new Option<bool>("--debug") { Description = "Let everything write its log at debug level" };

        var state = new Option<DirectoryInfo>("--state") { Description = "Keep data, queue, keysets and logs in this folder instead of .local" };

        only.AcceptOnlyFromAmong("backing");
        sidecar.AcceptOnlyFromAmong("auto", "daprd", "local");
        file.AcceptExistingOnly();
        messages.Validators.Add(result =>
        {
            // What is no number at all is told by the parser itself.
            if (result.Tokens is [var given] && int.TryParse(given.Value, out var count) && count is < 0 or > 1_000_000)
                result.AddError("--messages takes a number from 0 to 1000000.");
        });

        var command = new RootCommand("Brings up the whole system on this machine, sends logins through it and shows what became of them.")
        {
            once, messages, file, reset, only, sidecar, trace, debug, state,
        };
        command.Validators.Add(result =>
        {
            if (result.GetResult(file) is { Implicit: false } && result.GetResult(messages) is { Implicit: false })
                result.AddError("--file and --messages do not go together: the file's lines are sent instead of samples.");
            if (result.GetResult(only) is { Implicit: false } && result.GetResult(state) is { Implicit: false })
                result.AddError("--only backing and --state do not go together: `dapr run -f .` looks for the secrets in .local.");
            if (result.GetResult(trace) is { Implicit: false }
                && new Option[] { messages, file, only }.Any(other => result.GetResult(other) is { Implicit: false }))
            {
                result.AddError("--trace sends one login of its own: it does not go together with --messages, --file and --only.");
            }

            if (result.GetResult(only) is { Implicit: false } && result.GetResult(once) is { Implicit: false })
                result.AddError("--only backing and --once do not go together: without the services nothing gets through.");
        });
        command.SetAction(parsed => run(new AppHostOptions
        {
            Once = parsed.GetValue(once),
            Messages = parsed.GetValue(messages),
            File = parsed.GetValue(file),
            Reset = parsed.GetValue(reset),
            OnlyBacking = parsed.GetValue(only) is not null,
            Sidecar = parsed.GetValue(sidecar) switch
            {
                "daprd" => SidecarChoice.Daprd,
                "local" => SidecarChoice.Local,
                _ => SidecarChoice.Auto,
            },
            Trace = parsed.GetValue(trace),
            Debug = parsed.GetValue(debug),
            State = parsed.GetValue(state),
        }));
        return command;
    }

    private static async Task<int> RunAsync(AppHostOptions options, StopRequest stop)
    {
        var screen = new Screen();
        // What is named must be that one: the data to remove, the folder to use, and the secrets that dapr.yaml's component files name.
        using var state = options.Reset || options.OnlyBacking || options.State is not null
            ? State.TakeFirst(options.State?.FullName ?? Repository.LocalFolder)
            : State.Take(Repository.LocalFolder, screen.Note);
        return await new Run(options, state, screen).RunAsync(stop.Token);
    }
}
