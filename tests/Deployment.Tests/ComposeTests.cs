using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;
using PiiMasking.Backing;

namespace PiiMasking.Deployment.Tests;

/// <summary>docker-compose.yml: it parses everywhere, and its parts agree with each other and with the programs.</summary>
public sealed partial class ComposeTests
{
    private static readonly ComposeFile Compose = Yaml.Read<ComposeFile>("docker-compose.yml");

    /// <summary>Run to their end before the rest, or on demand.</summary>
    private static readonly string[] Steps = ["secrets", "migrate", "roles", "send"];

    [Theory]
    [InlineData("docker-compose")]
    [InlineData("docker", "compose")]
    public async Task Compose_itself_takes_the_file(string program, params string[] arguments)
    {
        if (Programs.Find(program) is not { } path)
        {
            Assert.Skip($"{program} is not on the PATH");
            return;
        }

        if (arguments.Length > 0 && (await RunAsync(path, [.. arguments, "version"])).ExitCode != 0)
            Assert.Skip($"{program} has no {arguments[0]}");
        var file = Path.Combine(Repository.Root, "docker-compose.yml");
        var (exitCode, output) = await RunAsync(path, [.. arguments, "-f", file, "config", "-q"]);
        Assert.True(exitCode == 0, output);
    }

    [Fact]
    public void Every_image_has_a_version_of_its_own()
    {
        Assert.All(Compose.Services, service =>
        {
            var image = service.Value.Image!;
            Assert.Contains(':', image);
            // Ours are built here, and only they may be the latest.
            Assert.Equal(image.StartsWith("pii-masking/", StringComparison.Ordinal), image.EndsWith(":latest", StringComparison.Ordinal));
            if (image.StartsWith("pii-masking/", StringComparison.Ordinal))
                Assert.Equal(image, $"pii-masking/{service.Value.Build!.Target}:latest");
        });
    }

    [Fact]
    public void What_is_built_are_targets_of_the_Dockerfile()
    {
        var builds = Compose.Services.Values.Select(service => service.Build).OfType<ComposeBuild>().ToArray();
        Assert.All(builds, build => Assert.Contains($" AS {build.Target}\n", Yaml.Text(build.Dockerfile)));
        Assert.Equal(3, builds.Select(build => build.Target).Distinct().Count());
    }

    [Fact]
    public void Everything_named_is_there()
    {
        Assert.All(Compose.Services.Values, service =>
        {
            Assert.All(service.Networks, network => Assert.Contains(network, Compose.Networks.Keys));
            Assert.All(service.DependsOn.Keys, other => Assert.Contains(other, Compose.Services.Keys));
            Assert.All(service.Volumes.Select(volume => volume.Split(':')[0]), source => Assert.True(
                source.StartsWith("./", StringComparison.Ordinal)
                    ? Path.Exists(Path.Combine(Repository.Root, source))
                    : Compose.Volumes.ContainsKey(source),
                source));
            if (service.NetworkMode is ['s', 'e', 'r', 'v', 'i', 'c', 'e', ':', .. var pod])
                Assert.True(Compose.Services.ContainsKey(pod) && service.DependsOn.ContainsKey(pod), pod);
        });
    }

    [Fact]
    public void A_dependency_waits_for_what_the_other_can_report()
    {
        foreach (var (other, dependency) in Compose.Services.Values.SelectMany(service => service.DependsOn))
        {
            var target = Compose.Services[other];
            switch (dependency.Condition)
            {
                case "service_healthy":
                    Assert.NotNull(target.Healthcheck);
                    break;
                case "service_completed_successfully":
                    Assert.Contains(other, Steps);
                    break;
                default:
                    Assert.Equal("service_started", dependency.Condition);
                    Assert.EndsWith("-pod", other);
                    break;
            }
        }
    }

    [Fact]
    public void Everything_is_bounded_restarted_and_without_privileges()
    {
        Assert.All(Compose.Services, service =>
        {
            Assert.NotNull(service.Value.MemLimit);
            Assert.Contains("no-new-privileges:true", service.Value.SecurityOpt);
            Assert.NotNull(service.Value.Logging);
            Assert.Equal(Steps.Contains(service.Key) ? "no" : "unless-stopped", service.Value.Restart);
            if (service.Key is not "observability")
                Assert.Equal(["ALL"], service.Value.CapDrop);
            if (service.Key is not ("observability" or "queue" or "postgres"))
                Assert.True(service.Value.ReadOnly, service.Key);
        });
    }

    [Fact]
    public void Nothing_is_published_beyond_this_machine()
    {
        Assert.All(Compose.Services.Values.SelectMany(service => service.Ports), port => Assert.StartsWith("127.0.0.1:", port));
        Assert.All(["ingestion-pod", "postgres"], service => Assert.Empty(Compose.Services[service].Ports));
        Assert.All(["dapr", "database"], network => Assert.True(Compose.Networks[network].Internal));
        Assert.Equal(["ingestion-pod", "masking-pod"], Members("dapr"));
    }

    [Fact]
    public void Keysets_are_mounted_by_the_masking_sidecar_and_the_step_that_makes_them_only()
    {
        Assert.Equal(["masking-dapr", "secrets"], Mounting("store"));
        Assert.Equal(["migrate", "postgres", "roles", "secrets"], Mounting("owner"));
        Assert.Equal(["component", "ingestion-dapr"], Mounting("sockets"));
    }

    [Theory]
    [InlineData("ingestion", "Kestrel__Endpoints__App__Url")]
    [InlineData("masking", "Kestrel__Endpoints__App__Url")]
    public void An_app_and_its_sidecar_share_a_loopback_and_agree_on_the_port(string app, string url)
    {
        var (service, sidecar) = (Compose.Services[app], Compose.Services[$"{app}-dapr"]);
        Assert.Equal($"service:{app}-pod", service.NetworkMode);
        Assert.Equal($"service:{app}-pod", sidecar.NetworkMode);
        var address = new Uri(service.Environment[url]);
        Assert.Equal("127.0.0.1", address.Host);
        Assert.Contains($"--app-port={address.Port}", sidecar.Command);
        Assert.Contains($"--app-id={app}", sidecar.Command);
        Assert.Contains("--dapr-listen-addresses=127.0.0.1", sidecar.Command);
        var settings = SettingsOf(app).GetProperty("Kestrel").GetProperty("Endpoints").GetProperty("App").GetProperty("Url").GetString()!;
        Assert.Equal(address, new Uri(settings));
        // An id that nobody but the sidecars' names lead to: {appid}-pod:50002.
        Assert.Contains("--dapr-internal-grpc-port=50002", sidecar.Command);
        var configuration = Yaml.Read<ConfigurationResource>($"components/compose/configuration-{app}.yaml");
        Assert.Equal("{appid}-pod:50002", configuration.Spec.NameResolution!.Configuration["format"]);
        Assert.Contains($"--config=/components/compose/configuration-{app}.yaml", sidecar.Command);
    }

    [Fact]
    public void Sidecars_get_flags_that_daprd_has()
    {
        string[] known =
        [
            "app-id", "app-port", "dapr-http-port", "dapr-grpc-port", "dapr-internal-grpc-port", "dapr-listen-addresses", "resources-path",
            "config", "metrics-listen-address", "enable-app-health-check", "app-health-check-path", "app-health-probe-interval",
            "app-health-probe-timeout", "app-health-threshold",
            "dapr-graceful-shutdown-seconds", "log-as-json",
        ];
        foreach (var sidecar in new[] { Compose.Services["ingestion-dapr"], Compose.Services["masking-dapr"] })
        {
            Assert.Equal("./daprd", sidecar.Command[0]);
            Assert.All(sidecar.Command.Skip(1), flag => Assert.Contains(FlagName().Match(flag).Groups[1].Value, known));
            Assert.Matches(@"^daprio/daprd:\d+\.\d+\.\d+$", sidecar.Image);
        }
    }

    [Fact]
    public void The_component_is_told_where_its_sidecar_and_its_app_are()
    {
        var environment = Compose.Services["component"].Environment;
        var app = Compose.Services["ingestion"].Environment["Kestrel__Endpoints__App__Url"];
        var sidecar = new Uri(environment["Watchdog__SidecarUrl"]);
        Assert.Contains($"--dapr-http-port={sidecar.Port}", Compose.Services["ingestion-dapr"].Command);
        Assert.Equal(app + "/readyz", environment["Watchdog__AppReadyUrl"]);
        Assert.Contains("sockets:/tmp/dapr-components-sockets", Compose.Services["component"].Volumes);
        Assert.Contains("sockets:/tmp/dapr-components-sockets", Compose.Services["ingestion-dapr"].Volumes);
        Assert.Equal("service_healthy", Compose.Services["ingestion-dapr"].DependsOn["component"].Condition);
    }

    [Fact]
    public void Queue_and_topic_have_one_name()
    {
        var topic = SettingsOf("ingestion").GetProperty("Intake").GetProperty("Topics")[0].GetString();
        Assert.Contains($"  {topic} {{", Yaml.Text("deploy/compose/elasticmq.conf"));
        Assert.Contains($"name = \"{topic}-dlq\"", Yaml.Text("deploy/compose/elasticmq.conf"));
        Assert.Contains(Compose.Services["send"].Command, argument => argument.EndsWith($"/{topic}", StringComparison.Ordinal));
        var logins = Yaml.Read<ComponentResource>("components/compose/logins.yaml");
        Assert.Equal("queue", new Uri(logins.Spec.Metadata.Single(entry => entry.Name == "endpoint").Value!).Host);
        Assert.Contains("queue", Compose.Services["ingestion-pod"].Networks);
    }

    [Fact]
    public void The_samples_are_one_batch_as_SQS_takes_it()
    {
        using var samples = JsonDocument.Parse(Yaml.Text("deploy/compose/sample-logins.json"));
        var entries = samples.RootElement.EnumerateArray().ToArray();
        Assert.InRange(entries.Length, 1, 10);
        Assert.Distinct(entries.Select(entry => entry.GetProperty("Id").GetString()));
        Assert.All(entries, entry => JsonDocument.Parse(entry.GetProperty("MessageBody").GetString()!).Dispose());
    }

    private static async Task<(int ExitCode, string Output)> RunAsync(string program, string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return (process.ExitCode, await output + await errors);
    }

    private static IEnumerable<string> Members(string network) =>
        Compose.Services.Where(service => service.Value.Networks.Contains(network))
            .Select(service => service.Key)
            .Order(StringComparer.Ordinal);

    private static IEnumerable<string> Mounting(string volume) =>
        Compose.Services
            .Where(service => service.Value.Volumes.Any(mount => mount.StartsWith(volume + ":", StringComparison.Ordinal)))
            .Select(service => service.Key)
            .Order(StringComparer.Ordinal);

    private static JsonElement SettingsOf(string app)
    {
        var project = app == "ingestion" ? "IngestionService" : "MaskingService";
        return JsonDocument.Parse(Yaml.Text($"services/{project}/appsettings.json")).RootElement;
    }

    [GeneratedRegex("^--([a-z-]+)(=|$)")]
    private static partial Regex FlagName();
}
