using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using PiiMasking.Backing;
using PiiMasking.Testing;

namespace PiiMasking.AppHost.Tests;

/// <summary>What a user can get wrong: one line that names the thing and the remedy, within seconds, and nothing left running.</summary>
[Collection(FixedPorts.Name)]
public sealed class StartFailureTests : IDisposable
{
    /// <summary>A third of it is allowed on a machine with nothing else to do; other test projects run beside this one.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(90);

    private readonly ScratchFolder scratch = new();

    public void Dispose() => scratch.Dispose();

    [Fact]
    public async Task A_component_of_an_unknown_type_is_named()
    {
        EditComponent("logins.yaml", "pubsub.sqs", "pubsub.sqss");

        Assert.Contains("pubsub.sqss", await FailureAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_component_file_that_is_no_yaml_is_named()
    {
        Edit("logins.yaml", _ => "spec: [unclosed");

        Assert.Contains("logins.yaml", await FailureAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_setting_of_the_component_is_named()
    {
        EditComponent("logins.yaml", "name: maxReceiveCount\n      value: \"5\"", "name: maxReceiveCount\n      value: \"many\"");

        Assert.Contains("maxReceiveCount", await FailureAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_unreachable_queue_is_named()
    {
        using var nobody = LoopbackPort.Reserve();
        EditComponent(
            "logins.yaml",
            "name: endpoint\n      secretKeyRef:\n        name: sqs-endpoint\n        key: sqs-endpoint",
            $"name: endpoint\n      value: http://127.0.0.1:{nobody}");

        Assert.Contains($"127.0.0.1:{nobody}", await FailureAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_secrets_file_is_named()
    {
        EditComponent("secrets.yaml", ".local/secrets.json", ".local/no-such-file.json");

        Assert.Contains("no-such-file.json", await FailureAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_keyset_that_the_service_may_not_read_is_named()
    {
        EditComponent("configuration-masking.yaml", "          - masking-keyset\n", "");

        Assert.Contains("masking-keyset", await FailureAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_password_than_the_data_was_made_with_is_named()
    {
        using var state = State.TakeFirst(scratch["state"]);
        var secrets = await Secrets.EnsureAsync(state, default);
        await using (await PostgresServer.StartAsync(await LocalPackages.EnsureAsync(), new PostgresOptions
        {
            DataFolder = state.Postgres,
            Password = secrets.SuperuserPassword + "old",
            LogFile = scratch["postgres.log"],
        }))
        {
            // Only made.
        }

        Assert.Contains("password", await FailureAsync(state: state), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_occupied_port_is_named()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 15432);
        listener.Start();

        Assert.Contains("Port 15432 is occupied", await FailureAsync(new LocalSystemOptions { OnlyBacking = true }), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_daprd_is_named_if_it_was_asked_for()
    {
        Assert.SkipWhen(Programs.Find("daprd") is not null, "daprd is on the PATH.");

        Assert.Contains("daprd is not on the PATH", await FailureAsync(new LocalSystemOptions { Sidecar = SidecarChoice.Daprd }), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_Node_js_the_first_run_says_what_to_install()
    {
        // A clone in which nothing has been installed yet, and a PATH that has everything but Node.js.
        File.WriteAllText(scratch["PiiMasking.sln"], "");
        Directory.CreateDirectory(scratch["local"]);
        foreach (var file in new[] { "package.json", "package-lock.json", "sqs-emulator.mjs" })
            File.Copy(Path.Combine(Repository.Root, "local", file), Path.Combine(scratch["local"], file));
        var built = Path.GetDirectoryName(DotnetProgram.Assembly("AppHost"))!;
        var copy = Directory.CreateDirectory(Path.Combine(scratch["artifacts"], "bin", "AppHost", Path.GetFileName(built))).FullName;
        foreach (var file in Directory.EnumerateFiles(built))
            File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        var sidecar = Directory.CreateDirectory(Path.Combine(scratch["artifacts"], "bin", "Sidecar", Path.GetFileName(built))).FullName;
        File.WriteAllText(Path.Combine(sidecar, "Sidecar.dll"), "only has to be there");
        Directory.CreateDirectory(scratch["bin"]);
        foreach (var program in new[] { "setsid", "setpriv" })
            File.CreateSymbolicLink(Path.Combine(scratch["bin"], program), Programs.Find(program)!);

        await using var apphost = ChildProcess.Start(new ChildProcessStart
        {
            Name = "AppHost",
            Program = DotnetProgram.Dotnet,
            Arguments = [Path.Combine(copy, "AppHost.dll"), "--once", "--sidecar", "local"],
            Environment = new Dictionary<string, string?> { ["PATH"] = scratch["bin"] },
            LogFile = scratch["apphost.log"],
        });

        Assert.Equal(1, await apphost.Exited.WaitAsync(Limit));
        var line = Assert.Single(apphost.LastLines(), line => line.StartsWith("AppHost: ", StringComparison.Ordinal));
        Assert.Contains("Node.js is missing", line, StringComparison.Ordinal);
        Assert.Contains("install Node.js", line, StringComparison.Ordinal);
    }

    private async Task<string> FailureAsync(LocalSystemOptions? options = null, State? state = null)
    {
        using var mine = state is null ? State.TakeFirst(scratch["state"]) : null;
        var how = options ?? new LocalSystemOptions();
        if (Directory.Exists(scratch["components"]))
            how = how with { Components = scratch["components"] };
        var took = Stopwatch.StartNew();

        var error = await Assert.ThrowsAsync<BackingException>(() => LocalSystem.StartAsync(how, state ?? mine!, _ => { }, default));

        Assert.DoesNotContain('\n', error.Message);
        Assert.InRange(took.Elapsed, TimeSpan.Zero, Limit);
        return error.Message;
    }

    private void EditComponent(string file, string old, string replacement) => Edit(file, text =>
    {
        Assert.Contains(old, text, StringComparison.Ordinal);
        return text.Replace(old, replacement, StringComparison.Ordinal);
    });

    private void Edit(string file, Func<string, string> change)
    {
        var components = Path.Combine(Repository.Root, "components");
        foreach (var set in new[] { "common", "local" })
        {
            Directory.CreateDirectory(Path.Combine(scratch["components"], set));
            foreach (var path in Directory.EnumerateFiles(Path.Combine(components, set)))
                File.Copy(path, Path.Combine(scratch["components"], set, Path.GetFileName(path)), overwrite: true);
        }

        var edited = Path.Combine(scratch["components"], "local", file);
        File.WriteAllText(edited, change(File.ReadAllText(edited)));
    }
}
