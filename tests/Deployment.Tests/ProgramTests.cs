using System.Diagnostics;
using System.Text.Json;
using PiiMasking.Backing;
using PiiMasking.Testing;
using PiiMasking.Tink;

namespace PiiMasking.Deployment.Tests;

/// <summary>What containers do with the programs apart from serving: the steps before the start, and health checks.</summary>
public sealed class ProgramTests
{
    private const string Dotnet = "dotnet";

    [Fact]
    public async Task Secret_files_are_made_once_and_then_left_alone()
    {
        using var folder = new ScratchFolder();
        var (store, owner) = (folder["store"], folder["owner"]);
        Directory.CreateDirectory(store);
        Directory.CreateDirectory(owner);

        var first = await RunAsync("MaskingService", "secret-files", "--store", store, "--owner", owner);
        Assert.Equal(0, first.ExitCode);
        var made = Directory.EnumerateFiles(folder.Path, "*", SearchOption.AllDirectories).ToDictionary(file => file, File.ReadAllText);
        Assert.Equal(
            ["owner-password", "people-password", "pgpass", "secrets.json", "service-password"],
            made.Keys.Select(Path.GetFileName).Order(StringComparer.Ordinal));

        var again = await RunAsync("MaskingService", "secret-files", "--store", store, "--owner", owner);
        Assert.Equal(0, again.ExitCode);
        Assert.All(made, file => Assert.Equal(file.Value, File.ReadAllText(file.Key)));
        Assert.Equal(made.Count, Directory.EnumerateFiles(folder.Path, "*", SearchOption.AllDirectories).Count());

        var secrets = JsonSerializer.Deserialize<Dictionary<string, string>>(made[Path.Combine(store, "secrets.json")])!;
        Assert.Equal(
            ["integrity-keyset", "masking-keyset", "postgres-password", "postgres-people-password", "quarantine-keyset"],
            secrets.Keys.Order(StringComparer.Ordinal));
        Assert.Equal(KeyKind.DeterministicAead, KindOf(secrets["masking-keyset"]));
        Assert.Equal(KeyKind.Aead, KindOf(secrets["quarantine-keyset"]));
        Assert.Equal(KeyKind.Mac, KindOf(secrets["integrity-keyset"]));
        Assert.Equal(made[Path.Combine(owner, "service-password")], secrets["postgres-password"]);
        Assert.Equal(made[Path.Combine(owner, "people-password")], secrets["postgres-people-password"]);
        Assert.Equal($"*:*:*:*:{made[Path.Combine(owner, "owner-password")]}\n", made[Path.Combine(owner, "pgpass")]);
        Assert.DoesNotContain(secrets["postgres-password"], first.Output + again.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Secret_files_that_cannot_be_made_are_one_line_and_exit_code_1()
    {
        var run = await RunAsync("MaskingService", "secret-files", "--store", "/proc/none", "--owner", "/proc/none");
        Assert.Equal(1, run.ExitCode);
        Assert.StartsWith("secret-files: ", run.Output);
        Assert.Single(run.Output.Trim().Split('\n'));
    }

    [Theory]
    [InlineData("IngestionService")]
    [InlineData("MaskingService")]
    [InlineData("SqsComponent")]
    public async Task Every_program_can_ask_for_its_own_health(string program)
    {
        var run = await RunAsync(program, "health", "http://127.0.0.1:1/healthz");
        Assert.Equal(1, run.ExitCode);
        Assert.StartsWith("health: no answer", run.Output);
    }

    [Fact]
    public async Task Health_is_what_the_running_program_answers()
    {
        using var folder = new ScratchFolder();
        using var port = LoopbackPort.Reserve();
        // What a program is told lies beside it, not in the folder that it happens to be started from.
        await File.WriteAllTextAsync(folder["appsettings.json"], "no settings", TestContext.Current.CancellationToken);
        await using var component = ChildProcess.Start(new ChildProcessStart
        {
            Name = "SqsComponent",
            Program = Dotnet,
            Arguments = [AssemblyOf("SqsComponent")],
            Environment = new Dictionary<string, string?>
            {
                ["DAPR_COMPONENTS_SOCKETS_FOLDER"] = folder.Path,
                ["Component__AdminUrl"] = $"http://127.0.0.1:{port}",
            },
            WorkingFolder = folder.Path,
            LogFile = folder["component.log"],
        });

        var probe = (ExitCode: -1, Output: "");
        await Eventually.HoldsAsync(
            "the component is healthy",
            async () => (probe = await RunAsync("SqsComponent", "health", $"http://127.0.0.1:{port}/healthz")).ExitCode == 0,
            evidence: () => string.Join('\n', [probe.Output, .. component.LastLines(), $"has ended: {component.Exited.IsCompleted}"]));
        Assert.Equal(1, (await RunAsync("SqsComponent", "health", $"http://127.0.0.1:{port}/nowhere")).ExitCode);
    }

    private static KeyKind KindOf(string keyset)
    {
        using var parsed = Keyset.Parse(System.Text.Encoding.UTF8.GetBytes(keyset));
        return parsed.Kind;
    }

    private static async Task<(int ExitCode, string Output)> RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(Dotnet, [AssemblyOf(program), .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (process.ExitCode, await output + await errors);
    }

    private static string AssemblyOf(string program)
    {
        // The programs are references of this project, built with it: bin/<project>/<configuration>.
        var configuration = Path.GetFileName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory));
        return Path.Combine(Repository.Root, "artifacts", "bin", program, configuration, $"{program}.dll");
    }
}
