namespace PiiMasking.Sidecar.Tests;

/// <summary>dapr-contract H1.</summary>
public sealed class FlagsTests
{
    [Theory]
    [InlineData("--app-id", "a")]
    [InlineData("-app-id", "a")]
    [InlineData("--app-id=a")]
    [InlineData("-app-id=a")]
    public void A_flag_takes_its_value_in_four_ways(params string[] arguments) => Assert.Equal("a", Options(arguments).AppId);

    [Fact]
    public void What_is_not_given_has_daprds_default()
    {
        var options = Options("--app-id=a");

        Assert.Equal((3500, 50001, null), (options.HttpPort, options.GrpcPort, options.AppPort));
        Assert.Equal(("127.0.0.1", false, -1), (options.AppChannelAddress, options.AppSpeaksHttp2, options.AppMaxConcurrency));
        Assert.Equal((4 << 20, 4 << 10), (options.MaxBodyBytes, options.ReadBufferBytes));
        Assert.Equal((false, "/healthz", 3), (options.AppHealthCheck, options.AppHealthPath, options.AppHealthThreshold));
        Assert.Equal((5000.0, 500.0), (options.AppHealthInterval.TotalMilliseconds, options.AppHealthTimeout.TotalMilliseconds));
        Assert.Equal(5.0, options.GracefulShutdown.TotalSeconds);
        Assert.InRange(options.InternalPort, 47300, 49349);
        Assert.Equal(options.InternalPort, Options("--app-id=a").InternalPort);
        Assert.Equal("/tmp/dapr-components-sockets", options.SocketsFolder);
        Assert.False(options.ConcurrentDispatch);
    }

    [Fact]
    public void Paths_may_be_given_several_times_and_by_their_old_name()
    {
        var options = Options(
            "--app-id=a", "--resources-path", "x", "--components-path=y", "--resources-path", "z", "--config=1", "--config=2");

        Assert.Equal(["x", "z", "y"], options.ResourcesPaths);
        Assert.Equal(["1", "2"], options.ConfigPaths);
    }

    [Fact]
    public void Every_flag_of_daprd_is_known()
    {
        string[] arguments =
        [
            "--mode=standalone", "--app-id=a", "--app-port=1", "--app-protocol=http", "--app-channel-address=127.0.0.1",
            "--dapr-http-port=2", "--dapr-grpc-port=3", "--dapr-internal-grpc-port=4", "--dapr-internal-grpc-listen-address=127.0.0.1",
            "--dapr-listen-addresses=127.0.0.1", "--dapr-public-port=5", "--dapr-public-listen-address=127.0.0.1", "--resources-path=r",
            "--components-path=r", "--config=c", "--log-level=info", "--log-as-json", "--log-file=f", "--enable-metrics=false",
            "--metrics-port=9090", "--metrics-listen-address=0.0.0.0", "--enable-app-health-check", "--app-health-check-path=/h",
            "--app-health-probe-interval=1", "--app-health-probe-timeout=1", "--app-health-threshold=1", "--app-max-concurrency=1",
            "--max-body-size=1Mi", "--read-buffer-size=8Ki", "--unix-domain-socket=", "--dapr-graceful-shutdown-seconds=1",
            "--dapr-block-shutdown-duration=1s", "--enable-api-logging", "--disable-init-endpoints=config,subscribe",
            "--allowed-origins=", "--placement-host-address=p", "--scheduler-host-address=s", "--enable-mtls=false",
            "--sentry-address=s", "--control-plane-address=c", "--enable-profiling=false", "--profile-port=7777",
        ];

        var options = Options(arguments);

        Assert.Equal(1 << 20, options.MaxBodyBytes);
        Assert.Equal((false, false), (options.AsksAppConfig, options.AsksAppSubscriptions));
        Assert.Contains("dapr-public-port", options.WithoutEffect);
        Assert.DoesNotContain("enable-metrics", options.WithoutEffect);
    }

    [Theory]
    [InlineData("unknown flag: --no-such-flag", "--app-id=a", "--no-such-flag=1")]
    [InlineData("flag needs an argument: --app-port", "--app-id=a", "--app-port")]
    [InlineData("--app-port", "--app-id=a", "--app-port=x")]
    [InlineData("--enable-metrics", "--app-id=a", "--enable-metrics=perhaps")]
    [InlineData("--max-body-size", "--app-id=a", "--max-body-size=4Xi")]
    [InlineData("--log-level", "--app-id=a", "--log-level=loud")]
    [InlineData("--app-id", "--app-port=1")]
    [InlineData("--app-id", "--app-id=a.b")]
    [InlineData("--dapr-http-port", "--app-id=a", "--app-port=3500")]
    [InlineData("--dapr-grpc-port", "--app-id=a", "--app-port=50001")]
    [InlineData("--dapr-http-port", "--app-id=a", "--dapr-http-port=0")]
    [InlineData("--mode", "--app-id=a", "--mode=kubernetes")]
    [InlineData("--unix-domain-socket", "--app-id=a", "--unix-domain-socket=/tmp")]
    [InlineData("--enable-mtls", "--app-id=a", "--enable-mtls")]
    [InlineData("--app-protocol", "--app-id=a", "--app-protocol=grpc")]
    [InlineData("--app-health-threshold", "--app-id=a", "--app-health-threshold=0")]
    public void What_is_wrong_is_named(string named, params string[] arguments)
    {
        var refused = Assert.Throws<StartupException>(() => Options(arguments));

        Assert.Contains(named, refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refused.Message);
    }

    [Fact]
    public void A_word_that_belongs_to_no_flag_is_ignored_and_kept_for_the_log()
    {
        var options = Options("--app-id=a", "--enable-app-health-check", "false");

        Assert.True(options.AppHealthCheck);
        Assert.Equal(["false"], options.Stray);
    }

    [Theory]
    [InlineData("4Mi", 4 << 20)]
    [InlineData("64Ki", 64 << 10)]
    [InlineData("1k", 1000)]
    [InlineData("1.5Ki", 1536)]
    [InlineData("17", 17)]
    public void A_quantity_is_read_as_Kubernetes_writes_it(string text, long bytes)
    {
        Assert.True(Flags.TryQuantity(text, out var read));
        Assert.Equal(bytes, read);
    }

    [Fact]
    public void The_environment_gives_tokens_namespace_sockets_and_dispatch()
    {
        var environment = new Dictionary<string, string>
        {
            ["DAPR_API_TOKEN"] = "t1",
            ["APP_API_TOKEN"] = "t2",
            ["NAMESPACE"] = "n",
            ["DAPR_HOST_IP"] = "10.0.0.1",
            ["DAPR_COMPONENTS_SOCKETS_FOLDER"] = "/s",
            ["SIDECAR_CONCURRENT_DISPATCH"] = "true",
        };

        var options = Flags.Interpret(Flags.Read(["--app-id=a"]), environment.GetValueOrDefault);

        Assert.Equal(("t1", "t2", "n"), (options.ApiToken, options.AppToken, options.EffectiveNamespace));
        Assert.Equal(("10.0.0.1", "/s", true), (options.HostAddress, options.SocketsFolder, options.ConcurrentDispatch));
        Assert.Equal("default", Options("--app-id=a").EffectiveNamespace);
    }

    private static SidecarOptions Options(params string[] arguments) => Flags.Interpret(Flags.Read(arguments), _ => null);
}
