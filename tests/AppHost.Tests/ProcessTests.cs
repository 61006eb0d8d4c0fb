using PiiMasking.Backing;
using PiiMasking.Testing;

namespace PiiMasking.AppHost.Tests;

/// <summary>AppHost as a program: what it prints, how it ends, what it leaves behind.</summary>
public sealed class ProcessTests : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(2);

    private readonly ScratchFolder scratch = new();

    public void Dispose() => scratch.Dispose();

    [Fact]
    public async Task Once_exits_0_with_a_report_and_a_second_run_opens_the_tokens_of_the_first()
    {
        var first = Start("--once", "--messages", "50");
        Assert.True(await first.Exited.WaitAsync(Limit) == 0, Output(first));
        var second = Start("--once", "--messages", "0");
        Assert.True(await second.Exited.WaitAsync(Limit) == 0, Output(second));

        var (report, later) = (Output(first), Output(second));
        Assert.Contains("Of 50 messages 49 are stored and 1 in quarantine", report, StringComparison.Ordinal);
        Assert.Contains("exactly those that the samples repeat", report, StringComparison.Ordinal);
        Assert.Contains("opened with the keyset", later, StringComparison.Ordinal);
        await NothingIsLeftAsync();
    }

    [Theory]
    [InlineData(Signal.Interrupt, 0)]
    [InlineData(Signal.Terminate, 0)]
    [InlineData(Signal.Kill, 128 + 9)]
    public async Task However_it_is_stopped_no_process_and_no_socket_is_left(Signal signal, int exitCode)
    {
        Assert.SkipWhen(
            signal is Signal.Interrupt && InterruptIsIgnored(), "A shell that runs this in the background has SIGINT ignored, for what it starts as well.");
        var apphost = Start("--messages", "10");
        await Eventually.HoldsAsync(
            "the system stays up", () => apphost.Exited.IsCompleted || Output(apphost).Contains("The system stays up", StringComparison.Ordinal), Limit);
        Assert.Contains("psql postgresql://analyst:", Output(apphost), StringComparison.Ordinal);
        Assert.NotEmpty(Leftovers());

        apphost.Send(signal);

        Assert.Equal(exitCode, await apphost.Exited.WaitAsync(Limit));
        await NothingIsLeftAsync();
    }

    [Fact]
    public async Task Two_run_side_by_side_and_each_has_its_own_messages()
    {
        var first = Start("--once", "--messages", "300");
        using var other = new ScratchFolder();
        var second = Start(other, "--once", "--messages", "200");

        await Task.WhenAll(first.Exited, second.Exited).WaitAsync(Limit);

        Assert.Contains("Of 300 messages 299 are stored", Output(first), StringComparison.Ordinal);
        Assert.Contains("Of 200 messages 199 are stored", Output(second), StringComparison.Ordinal);
    }

    private static bool InterruptIsIgnored()
    {
        const string ignored = "SigIgn:";
        const int interrupt = 1 << (2 - 1);
        var mask = File.ReadLines("/proc/self/status").First(line => line.StartsWith(ignored, StringComparison.Ordinal))[ignored.Length..];
        return (Convert.ToUInt64(mask.Trim(), 16) & interrupt) != 0;
    }

    private static string Output(ChildProcess apphost) => string.Join('\n', apphost.LastLines(500));

    private ChildProcess Start(params string[] arguments) => Start(scratch, arguments);

    private static ChildProcess Start(ScratchFolder folder, params string[] arguments)
    {
        Directory.CreateDirectory(folder["tmp"]);
        return ChildProcess.Start(new ChildProcessStart
        {
            Name = "AppHost",
            Program = DotnetProgram.Dotnet,
            Arguments = [DotnetProgram.Assembly("AppHost"), "--state", folder["state"], .. arguments],
            // Its run folder is made below, so that what is left of it can be seen.
            Environment = new Dictionary<string, string?> { ["TMPDIR"] = folder["tmp"] },
            LogFile = folder[$"apphost-{Guid.NewGuid():n}.log"],
        });
    }

    private Task NothingIsLeftAsync() => Eventually.HoldsAsync(
        $"nothing of {scratch.Path} runs, and its run folder is gone",
        () => Leftovers() is [] && Directory.GetFileSystemEntries(scratch["tmp"], "pii-*") is [],
        TimeSpan.FromSeconds(20));

    /// <returns>Processes that were started below the scratch folder, or name it.</returns>
    private string[] Leftovers() =>
    [
        .. Directory.EnumerateDirectories("/proc").Where(process => int.TryParse(Path.GetFileName(process), out var id) && id != Environment.ProcessId)
            .Where(process => Mentions(Path.Combine(process, "cmdline")) || Mentions(Path.Combine(process, "environ"))),
    ];

    private bool Mentions(string file)
    {
        try
        {
            return File.ReadAllText(file).Contains(scratch.Path, StringComparison.Ordinal);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
