namespace PiiMasking.Sidecar;

/// <summary>What daprd's flags and environment variables ask for. Made by <see cref="Flags"/>.</summary>
internal sealed record SidecarOptions
{
    /// <summary>The daprd release whose behaviour is reproduced.</summary>
    public const string Version = "1.18.3-standin";

    public required string AppId { get; init; }

    /// <value>Null: there is no app, only the API.</value>
    public int? AppPort { get; init; }
    public string AppChannelAddress { get; init; } = "127.0.0.1";
    public bool AppSpeaksHttp2 { get; init; }

    /// <value>Zero or less: no limit.</value>
    public int AppMaxConcurrency { get; init; } = -1;

    public int HttpPort { get; init; } = 3500;
    public int GrpcPort { get; init; } = 50001;
    public int InternalPort { get; init; }

    /// <summary>The internal port was asked for; otherwise another may be taken if it is occupied.</summary>
    public bool InternalPortIsGiven { get; init; }
    public IReadOnlyList<string> ListenAddresses { get; init; } = [];

    public IReadOnlyList<string> ResourcesPaths { get; init; } = [];
    public IReadOnlyList<string> ConfigPaths { get; init; } = [];

    public LogLevel LogLevel { get; init; } = LogLevel.Information;
    public bool LogAsJson { get; init; }

    public bool AppHealthCheck { get; init; }
    public string AppHealthPath { get; init; } = "/healthz";
    public TimeSpan AppHealthInterval { get; init; } = TimeSpan.FromSeconds(5);
    public TimeSpan AppHealthTimeout { get; init; } = TimeSpan.FromMilliseconds(500);
    public int AppHealthThreshold { get; init; } = 3;

    /// <value>Null: no limit.</value>
    public long? MaxBodyBytes { get; init; } = 4 << 20;
    public int ReadBufferBytes { get; init; } = 4 << 10;

    public TimeSpan GracefulShutdown { get; init; } = TimeSpan.FromSeconds(5);
    public bool AsksAppConfig { get; init; } = true;
    public bool AsksAppSubscriptions { get; init; } = true;

    /// <summary>NAMESPACE, or null: then resources of every namespace are loaded.</summary>
    public string? Namespace { get; init; }
    public string EffectiveNamespace => Namespace ?? "default";
    public string? PodName { get; init; }

    /// <summary>The address other sidecars see in forwarding headers: DAPR_HOST_IP.</summary>
    public string HostAddress { get; init; } = "127.0.0.1";

    /// <summary>DAPR_API_TOKEN: what callers of the API must show. Null: nothing.</summary>
    public string? ApiToken { get; init; }

    /// <summary>APP_API_TOKEN: what the sidecar shows to the app. Null: nothing.</summary>
    public string? AppToken { get; init; }
    public string SocketsFolder { get; init; } = "/tmp/dapr-components-sockets";

    /// <summary>Handle the messages of a stream concurrently, as daprd does before 1.16 and after 1.18.3.</summary>
    public bool ConcurrentDispatch { get; init; }

    /// <summary>Flags that were given, are accepted and have no effect although daprd would act on them.</summary>
    public IReadOnlyList<string> WithoutEffect { get; init; } = [];

    /// <summary>Arguments that belong to no flag; daprd ignores them too.</summary>
    public IReadOnlyList<string> Stray { get; init; } = [];
}
