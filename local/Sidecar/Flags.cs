using System.Globalization;
using System.Text;

namespace PiiMasking.Sidecar;

/// <summary>daprd's command line: one or two dashes, <c>--x v</c> or <c>--x=v</c>, unknown flags refused.</summary>
internal static class Flags
{
    private enum Kind
    {
        Text,
        Number,
        Switch,
    }

    private static readonly Dictionary<string, Kind> Known = new(StringComparer.Ordinal)
    {
        ["mode"] = Kind.Text,
        ["app-id"] = Kind.Text,
        ["app-port"] = Kind.Number,
        ["app-protocol"] = Kind.Text,
        ["app-channel-address"] = Kind.Text,
        ["app-max-concurrency"] = Kind.Number,
        ["dapr-http-port"] = Kind.Number,
        ["dapr-grpc-port"] = Kind.Number,
        ["dapr-internal-grpc-port"] = Kind.Number,
        ["dapr-internal-grpc-listen-address"] = Kind.Text,
        ["dapr-listen-addresses"] = Kind.Text,
        ["dapr-public-port"] = Kind.Number,
        ["dapr-public-listen-address"] = Kind.Text,
        ["resources-path"] = Kind.Text,
        ["components-path"] = Kind.Text,
        ["config"] = Kind.Text,
        ["log-level"] = Kind.Text,
        ["log-as-json"] = Kind.Switch,
        ["log-file"] = Kind.Text,
        ["enable-metrics"] = Kind.Switch,
        ["metrics-port"] = Kind.Number,
        ["metrics-listen-address"] = Kind.Text,
        ["enable-app-health-check"] = Kind.Switch,
        ["app-health-check-path"] = Kind.Text,
        ["app-health-probe-interval"] = Kind.Number,
        ["app-health-probe-timeout"] = Kind.Number,
        ["app-health-threshold"] = Kind.Number,
        ["max-body-size"] = Kind.Text,
        ["read-buffer-size"] = Kind.Text,
        ["unix-domain-socket"] = Kind.Text,
        ["dapr-graceful-shutdown-seconds"] = Kind.Number,
        ["dapr-block-shutdown-duration"] = Kind.Text,
        ["enable-api-logging"] = Kind.Switch,
        ["disable-init-endpoints"] = Kind.Text,
        ["allowed-origins"] = Kind.Text,
        ["placement-host-address"] = Kind.Text,
        ["scheduler-host-address"] = Kind.Text,
        ["enable-mtls"] = Kind.Switch,
        ["sentry-address"] = Kind.Text,
        ["control-plane-address"] = Kind.Text,
        ["enable-profiling"] = Kind.Switch,
        ["profile-port"] = Kind.Number,
        ["version"] = Kind.Switch,
        ["build-info"] = Kind.Switch,
        ["wait"] = Kind.Switch,
        ["help"] = Kind.Switch,
    };

    // Accepted, but whoever sets them expects something that the stand-in does not do.
    private static readonly string[] NoEffect =
    [
        "log-file", "dapr-public-port", "dapr-block-shutdown-duration", "enable-api-logging", "allowed-origins",
        "enable-profiling", "dapr-internal-grpc-listen-address",
    ];

    /// <summary>The flags as given, before anything is made of them.</summary>
    internal sealed record Given(IReadOnlyDictionary<string, List<string>> Values, IReadOnlyList<string> Stray)
    {
        public string? Last(string flag) => Values.TryGetValue(flag, out var values) ? values[^1] : null;

        public IEnumerable<string> All(string flag) => Values.TryGetValue(flag, out var values) ? values : [];

        public bool On(string flag) => Last(flag) is { } value && Switch(flag, value);
    }

    public static IEnumerable<string> Names => Known.Keys;

    /// <exception cref="StartupException">An unknown flag, or one without the value it needs.</exception>
    public static Given Read(IReadOnlyList<string> arguments)
    {
        var values = new Dictionary<string, List<string>>(StringComparer.Ordinal);
        var stray = new List<string>();

        for (var i = 0; i < arguments.Count; i++)
        {
            var argument = arguments[i];
            if (!argument.StartsWith('-') || argument.Length < 2)
            {
                stray.Add(argument);
                continue;
            }

            var text = argument.TrimStart('-');
            var equals = text.IndexOf('=', StringComparison.Ordinal);
            var name = equals < 0 ? text : text[..equals];
            if (!Known.TryGetValue(name, out var kind))
                throw new StartupException($"unknown flag: --{name} (see --help)");

            string value;
            if (equals >= 0)
                value = text[(equals + 1)..];
            else if (kind == Kind.Switch)
                value = "true";
            else if (i + 1 < arguments.Count)
                value = arguments[++i];
            else
                throw new StartupException($"flag needs an argument: --{name}");

            if (kind == Kind.Number && !int.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _))
                throw new StartupException($"invalid argument \"{value}\" for \"--{name}\": a whole number is needed");
            if (kind == Kind.Switch)
                Switch(name, value);

            if (!values.TryGetValue(name, out var list))
                values[name] = list = [];
            list.Add(value);
        }

        return new Given(values, stray);
    }

    /// <summary>Checks the flags together and adds what the environment says.</summary>
    /// <exception cref="StartupException">A flag that is missing, contradicts another or asks for what is not implemented.</exception>
    public static SidecarOptions Interpret(Given given, Func<string, string?> environment)
    {
        var appId = given.Last("app-id") ?? "";
        if (appId.Length == 0)
            throw new StartupException("app ID is required: set --app-id");
        if (appId.Contains('.', StringComparison.Ordinal))
            throw new StartupException("--app-id must not contain a dot");

        if (given.Last("mode") is { } mode && mode != "standalone")
            throw new StartupException($"--mode {mode} is not supported by this stand-in: only standalone is");
        if (!string.IsNullOrEmpty(given.Last("unix-domain-socket")))
            throw new StartupException("--unix-domain-socket is not supported by this stand-in: use the TCP ports");
        if (given.On("enable-mtls"))
            throw new StartupException("--enable-mtls is not supported by this stand-in: it is for one machine only");

        var protocol = given.Last("app-protocol") ?? "http";
        if (protocol is not ("http" or "h2c"))
            throw new StartupException($"--app-protocol {protocol} is not supported by this stand-in: http and h2c are");

        var appPort = Number(given, "app-port", 0) is var port and > 0 ? port : (int?)null;
        var httpPort = Port(given, "dapr-http-port", 3500);
        var grpcPort = Port(given, "dapr-grpc-port", 50001);
        var internalPort = Port(given, "dapr-internal-grpc-port", StablePort(appId));
        if (appPort == httpPort || appPort == grpcPort)
            throw new StartupException(
                $"--{(appPort == httpPort ? "dapr-http-port" : "dapr-grpc-port")} must differ from --app-port ({appPort})");
        if (httpPort == grpcPort)
            throw new StartupException($"--dapr-http-port and --dapr-grpc-port must differ ({httpPort})");

        var disabled = Csv(given.Last("disable-init-endpoints")).ToHashSet(StringComparer.OrdinalIgnoreCase);

        return new SidecarOptions
        {
            AppId = appId,
            AppPort = appPort,
            AppChannelAddress = Text(given, "app-channel-address", "127.0.0.1"),
            AppSpeaksHttp2 = protocol == "h2c",
            AppMaxConcurrency = Number(given, "app-max-concurrency", -1),
            HttpPort = httpPort,
            GrpcPort = grpcPort,
            InternalPort = internalPort,
            InternalPortIsGiven = given.Last("dapr-internal-grpc-port") is not null,
            ListenAddresses = Csv(given.Last("dapr-listen-addresses")),
            ResourcesPaths = [.. given.All("resources-path").Concat(given.All("components-path"))],
            ConfigPaths = [.. given.All("config").Where(path => path.Length > 0)],
            LogLevel = Level(Text(given, "log-level", "info")),
            LogAsJson = given.On("log-as-json"),
            AppHealthCheck = given.On("enable-app-health-check"),
            AppHealthPath = "/" + Text(given, "app-health-check-path", "/healthz").TrimStart('/'),
            AppHealthInterval = TimeSpan.FromSeconds(AtLeast(given, "app-health-probe-interval", 5, 1)),
            AppHealthTimeout = TimeSpan.FromMilliseconds(AtLeast(given, "app-health-probe-timeout", 500, 1)),
            AppHealthThreshold = AtLeast(given, "app-health-threshold", 3, 1),
            MaxBodyBytes = Quantity(given, "max-body-size", 4 << 20) is var body and > 0 ? body : null,
            ReadBufferBytes = (int)Math.Clamp(Quantity(given, "read-buffer-size", 4 << 10), 1 << 10, 64 << 20),
            GracefulShutdown = TimeSpan.FromSeconds(AtLeast(given, "dapr-graceful-shutdown-seconds", 5, 0)),
            AsksAppConfig = !disabled.Contains("config"),
            AsksAppSubscriptions = !disabled.Contains("subscribe"),
            Namespace = NotEmpty(environment("NAMESPACE")),
            PodName = NotEmpty(environment("POD_NAME")),
            HostAddress = NotEmpty(environment("DAPR_HOST_IP")) ?? "127.0.0.1",
            ApiToken = NotEmpty(environment("DAPR_API_TOKEN")),
            AppToken = NotEmpty(environment("APP_API_TOKEN")),
            SocketsFolder = NotEmpty(environment("DAPR_COMPONENTS_SOCKETS_FOLDER")) ?? "/tmp/dapr-components-sockets",
            ConcurrentDispatch = environment("SIDECAR_CONCURRENT_DISPATCH") is { } concurrent
                && Switch("SIDECAR_CONCURRENT_DISPATCH", concurrent),
            WithoutEffect = [.. NoEffect.Where(flag => given.Last(flag) is { Length: > 0 } value && value != "false")],
            Stray = given.Stray,
        };
    }

    /// <summary>A quantity as Kubernetes writes them: "4Mi", "512k", "65536". In bytes.</summary>
    internal static bool TryQuantity(string text, out long bytes)
    {
        ReadOnlySpan<(string Suffix, long Factor)> units =
        [
            ("Ki", 1L << 10), ("Mi", 1L << 20), ("Gi", 1L << 30), ("Ti", 1L << 40),
            ("k", 1_000), ("M", 1_000_000), ("G", 1_000_000_000), ("T", 1_000_000_000_000), ("", 1),
        ];

        bytes = 0;
        foreach (var (suffix, factor) in units)
        {
            if (!text.EndsWith(suffix, StringComparison.Ordinal))
                continue;
            const NumberStyles style = NumberStyles.AllowDecimalPoint | NumberStyles.AllowLeadingSign;
            if (!decimal.TryParse(text[..^suffix.Length], style, CultureInfo.InvariantCulture, out var number)
                || Math.Abs(number) > 1_000_000_000_000)
                return false;
            bytes = (long)decimal.Ceiling(Math.Min(number * factor, long.MaxValue));
            return true;
        }

        return false;
    }

    // FNV-1a: the same app id gets the same port on every start, so that a restart disturbs its callers little.
    private static int StablePort(string appId)
    {
        var hash = 2166136261u;
        foreach (var octet in Encoding.UTF8.GetBytes(appId))
            hash = (hash ^ octet) * 16777619u;
        return 47300 + (int)(hash % 2050);
    }

    private static bool Switch(string flag, string value) => GoText.TryBool(value, out var on)
        ? on
        : throw new StartupException($"invalid argument \"{value}\" for \"--{flag}\": true or false is needed");

    private static string Text(Given given, string flag, string otherwise) => NotEmpty(given.Last(flag)) ?? otherwise;

    private static int Number(Given given, string flag, int otherwise) =>
        given.Last(flag) is { } value ? int.Parse(value, CultureInfo.InvariantCulture) : otherwise;

    private static int AtLeast(Given given, string flag, int otherwise, int minimum) =>
        Between(given, flag, otherwise, minimum, int.MaxValue, $"at least {minimum} is needed");

    private static int Port(Given given, string flag, int otherwise) =>
        Between(given, flag, otherwise, 1, 65535, "a port from 1 to 65535 is needed");

    private static int Between(Given given, string flag, int otherwise, int minimum, int maximum, string needed)
    {
        var number = Number(given, flag, otherwise);
        if (number < minimum || number > maximum)
            throw new StartupException($"invalid argument \"{number}\" for \"--{flag}\": {needed}");
        return number;
    }

    private static long Quantity(Given given, string flag, long otherwise)
    {
        if (NotEmpty(given.Last(flag)) is not { } text)
            return otherwise;
        return TryQuantity(text, out var bytes)
            ? bytes
            : throw new StartupException($"invalid argument \"{text}\" for \"--{flag}\": a quantity such as 4Mi is needed");
    }

    private static LogLevel Level(string text) => text.ToUpperInvariant() switch
    {
        "DEBUG" => LogLevel.Debug,
        "INFO" => LogLevel.Information,
        "WARN" or "WARNING" => LogLevel.Warning,
        "ERROR" => LogLevel.Error,
        "FATAL" => LogLevel.Critical,
        _ => throw new StartupException($"invalid argument \"{text}\" for \"--log-level\": debug, info, warn, error or fatal is needed"),
    };

    private static string[] Csv(string? text) =>
        (text ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static string? NotEmpty(string? text) => string.IsNullOrEmpty(text) ? null : text;
}
