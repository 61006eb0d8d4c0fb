using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace PiiMasking.Sidecar.Tests;

/// <summary>The program itself: exit codes, one-line errors, signals, and what it writes.</summary>
public sealed class ProgramTests
{
    private readonly CancellationToken stopping = TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("unknown flag: --no-such-flag", "--app-id=a", "--no-such-flag")]
    [InlineData("app ID is required", "--app-port=1")]
    [InlineData("does not exist", "--app-id=a", "--resources-path=/nowhere")]
    [InlineData("does not exist", "--app-id=a", "--config=/nowhere.yaml")]
    public async Task What_is_wrong_is_said_in_one_line_and_the_exit_code_is_not_zero(string said, params string[] arguments)
    {
        using var program = Start(arguments);
        var error = await program.StandardError.ReadToEndAsync(stopping);
        await program.WaitForExitAsync(stopping);

        Assert.NotEqual(0, program.ExitCode);
        Assert.Contains(said, error, StringComparison.Ordinal);
        Assert.Equal(1, error.Count(character => character == '\n'));
    }

    [Fact]
    public async Task An_occupied_port_is_named_with_its_flag()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;

        using var program = Start("--app-id=a", $"--dapr-http-port={port}");
        var error = await program.StandardError.ReadToEndAsync(stopping);
        await program.WaitForExitAsync(stopping);

        Assert.NotEqual(0, program.ExitCode);
        Assert.Contains($"port {port} ", error, StringComparison.Ordinal);
        Assert.Contains("--dapr-http-port", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_sidecars_of_one_app_run_side_by_side_and_a_third_process_can_wait_for_them()
    {
        var (app, occupied) = Occupied();
        using var port = occupied;
        await using var first = await RunningSidecar.StartAsync(new Setup(app), stopping);
        using var waiting = Start("--wait", $"--dapr-http-port={first.Options.HttpPort}");
        await waiting.WaitForExitAsync(stopping);
        using var ports = Backing.LoopbackPort.Reserve();
        using var more = Backing.LoopbackPort.Reserve();
        using var second = Start($"--app-id={app}", $"--dapr-http-port={ports}", $"--dapr-grpc-port={more}");
        using var ready = Start("--wait", $"--dapr-http-port={ports}");
        await ready.WaitForExitAsync(stopping);

        Assert.Equal((0, 0), (waiting.ExitCode, ready.ExitCode));
        Assert.Equal(0, Kill(second.Id, 15));
        await second.WaitForExitAsync(stopping);
    }

    [Fact]
    public async Task The_version_is_printed()
    {
        using var program = Start("--version");
        var output = await program.StandardOutput.ReadToEndAsync(stopping);
        await program.WaitForExitAsync(stopping);

        Assert.Equal((0, SidecarOptions.Version), (program.ExitCode, output.Trim()));
    }

    [Fact]
    public async Task SIGTERM_stops_it_cleanly_and_its_log_holds_nothing_of_a_message()
    {
        const string canary = "canary-7f3a";
        await using var app = await TestApp.StartAsync(stopping: stopping);
        app.Subscribes("""[{"pubsubname":"pubsub","topic":"t","route":"in"}]""");
        app.On("/in", 500, canary);
        using var setup = new Setup().App(app).InMemory().Secrets($$"""{"{{canary}}":"{{canary}}"}""");
        var options = setup.Options();
        using var program = Start(
            "--app-id=app", $"--app-port={app.Port}", $"--dapr-http-port={options.HttpPort}", $"--dapr-grpc-port={options.GrpcPort}",
            $"--dapr-internal-grpc-port={options.InternalPort}", $"--resources-path={options.ResourcesPaths[0]}",
            $"--config={options.ConfigPaths[0]}", "--log-level=debug");
        var writing = program.StandardOutput.ReadToEndAsync(stopping);
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{options.HttpPort}") };
        await Testing.Eventually.HoldsAsync("a published message arrives", async () =>
        {
            using var response = await http.PostAsync(
                $"/v1.0/publish/pubsub/t?metadata.key={canary}", new StringContent(canary), stopping);
            return (await app.NextAsync(stopping)).Target == "/in";
        }, stopping: stopping);
        await http.GetStringAsync($"/v1.0/secrets/secrets/{canary}", stopping);
        using (var invoked = await http.PostAsync($"/v1.0/invoke/app/method/{canary}", new StringContent(canary), stopping))
            Assert.Equal(200, (int)invoked.StatusCode);

        Assert.Equal(0, Kill(program.Id, 15));
        await program.WaitForExitAsync(stopping);

        Assert.Equal(0, program.ExitCode);
        var log = await writing;
        Assert.Contains("Delivery from topic t of pubsub failed", log, StringComparison.Ordinal);
        Assert.DoesNotContain(canary, log, StringComparison.Ordinal);
    }

    /// <returns>An app id, and the internal port that belongs to it, which nobody else can take.</returns>
    private static (string App, TcpListener Port) Occupied()
    {
        for (var number = 0; ; number++)
        {
            var app = $"twin-{number}";
            var port = new TcpListener(IPAddress.Loopback, Flags.Interpret(Flags.Read([$"--app-id={app}"]), _ => null).InternalPort);
            try
            {
                port.Start();
                return (app, port);
            }
            catch (SocketException) when (number < 100)
            {
                // Any program may have been given this port.
                port.Dispose();
            }
        }
    }

    private static Process Start(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "Sidecar.dll"), .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["DAPR_COMPONENTS_SOCKETS_FOLDER"] = "/nowhere";
        return Process.Start(start)!;
    }

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static extern int Kill(int process, int signal);
}
