using YamlDotNet.Serialization;

namespace PiiMasking.Deployment.Tests;

// The keys of docker-compose.yml that both compose v2 and docker-compose 1.29 take; what one of them refuses is missing here.

internal sealed class ComposeFile
{
    public Dictionary<string, ComposeService> Services { get; set; } = [];
    public Dictionary<string, ComposeNetwork> Networks { get; set; } = [];
    public Dictionary<string, ComposeVolume> Volumes { get; set; } = [];

    [YamlMember(Alias = "x-program", ApplyNamingConventions = false)]
    public ComposeService? Program { get; set; }

    [YamlMember(Alias = "x-step", ApplyNamingConventions = false)]
    public ComposeService? Step { get; set; }

    [YamlMember(Alias = "x-pod", ApplyNamingConventions = false)]
    public ComposeService? Pod { get; set; }

    [YamlMember(Alias = "x-sidecar", ApplyNamingConventions = false)]
    public ComposeService? Sidecar { get; set; }
}

internal sealed class ComposeService
{
    public string? Image { get; set; }
    public ComposeBuild? Build { get; set; }
    public List<string> Entrypoint { get; set; } = [];
    public List<string> Command { get; set; } = [];
    public Dictionary<string, string> Environment { get; set; } = [];
    public string? User { get; set; }
    public bool Init { get; set; }
    public string? Restart { get; set; }
    public List<string> Profiles { get; set; } = [];
    public List<string> Networks { get; set; } = [];
    public List<string> Ports { get; set; } = [];
    public List<string> Volumes { get; set; } = [];
    public List<string> Tmpfs { get; set; } = [];
    public ComposeLogging? Logging { get; set; }
    public ComposeHealthcheck? Healthcheck { get; set; }
    public string? Cpus { get; set; }

    [YamlMember(Alias = "network_mode", ApplyNamingConventions = false)]
    public string? NetworkMode { get; set; }

    [YamlMember(Alias = "read_only", ApplyNamingConventions = false)]
    public bool ReadOnly { get; set; }

    [YamlMember(Alias = "cap_drop", ApplyNamingConventions = false)]
    public List<string> CapDrop { get; set; } = [];

    [YamlMember(Alias = "cap_add", ApplyNamingConventions = false)]
    public List<string> CapAdd { get; set; } = [];

    [YamlMember(Alias = "security_opt", ApplyNamingConventions = false)]
    public List<string> SecurityOpt { get; set; } = [];

    [YamlMember(Alias = "pids_limit", ApplyNamingConventions = false)]
    public int? PidsLimit { get; set; }

    [YamlMember(Alias = "mem_limit", ApplyNamingConventions = false)]
    public string? MemLimit { get; set; }

    [YamlMember(Alias = "shm_size", ApplyNamingConventions = false)]
    public string? ShmSize { get; set; }

    [YamlMember(Alias = "stop_signal", ApplyNamingConventions = false)]
    public string? StopSignal { get; set; }

    [YamlMember(Alias = "stop_grace_period", ApplyNamingConventions = false)]
    public string? StopGracePeriod { get; set; }

    [YamlMember(Alias = "depends_on", ApplyNamingConventions = false)]
    public Dictionary<string, ComposeDependency> DependsOn { get; set; } = [];
}

internal sealed class ComposeBuild
{
    public string Context { get; set; } = "";
    public string Dockerfile { get; set; } = "";
    public string Target { get; set; } = "";
}

internal sealed class ComposeLogging
{
    public string Driver { get; set; } = "";
    public Dictionary<string, string> Options { get; set; } = [];
}

internal sealed class ComposeHealthcheck
{
    public List<string> Test { get; set; } = [];
    public string Interval { get; set; } = "";
    public string Timeout { get; set; } = "";
    public int Retries { get; set; }

    [YamlMember(Alias = "start_period", ApplyNamingConventions = false)]
    public string? StartPeriod { get; set; }
}

internal sealed class ComposeDependency
{
    public string Condition { get; set; } = "";
}

internal sealed class ComposeNetwork
{
    public bool Internal { get; set; }
}

internal sealed class ComposeVolume
{
    public string? Driver { get; set; }

    [YamlMember(Alias = "driver_opts", ApplyNamingConventions = false)]
    public Dictionary<string, string> DriverOpts { get; set; } = [];
}
