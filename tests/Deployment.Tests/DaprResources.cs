namespace PiiMasking.Deployment.Tests;

// The parts of Dapr's resources that exist (dapr.io/v1alpha1), so that a misspelled key is found here and not ignored by daprd.

internal sealed class ResourceMetadata
{
    public string Name { get; set; } = "";
    public string? Namespace { get; set; }
    public Dictionary<string, string> Annotations { get; set; } = [];
    public Dictionary<string, string> Labels { get; set; } = [];
}

internal sealed class ComponentResource
{
    public string ApiVersion { get; set; } = "";
    public string Kind { get; set; } = "";
    public ResourceMetadata Metadata { get; set; } = new();
    public ComponentSpec Spec { get; set; } = new();
    public ComponentAuth? Auth { get; set; }
    public List<string> Scopes { get; set; } = [];
}

internal sealed class ComponentAuth
{
    public string SecretStore { get; set; } = "";
}

internal sealed class ComponentSpec
{
    public string Type { get; set; } = "";
    public string Version { get; set; } = "";
    public bool IgnoreErrors { get; set; }
    public string? InitTimeout { get; set; }
    public List<MetadataEntry> Metadata { get; set; } = [];
}

internal sealed class MetadataEntry
{
    public string Name { get; set; } = "";
    public string? Value { get; set; }
    public SecretKeyRef? SecretKeyRef { get; set; }
    public string? EnvRef { get; set; }
}

internal sealed class SecretKeyRef
{
    public string Name { get; set; } = "";
    public string? Key { get; set; }
}

internal sealed class ConfigurationResource
{
    public string ApiVersion { get; set; } = "";
    public string Kind { get; set; } = "";
    public ResourceMetadata Metadata { get; set; } = new();
    public ConfigurationSpec Spec { get; set; } = new();
}

internal sealed class ConfigurationSpec
{
    public NameResolution? NameResolution { get; set; }
    public SecretsSpec? Secrets { get; set; }
    public AccessControl? AccessControl { get; set; }
    public TracingSpec? Tracing { get; set; }
}

internal sealed class TracingSpec
{
    public string SamplingRate { get; set; } = "";
    public OtelSpec? Otel { get; set; }
}

internal sealed class OtelSpec
{
    public string EndpointAddress { get; set; } = "";
    public bool IsSecure { get; set; }
    public string Protocol { get; set; } = "";
}

internal sealed class NameResolution
{
    public string Component { get; set; } = "";
    public string? Version { get; set; }
    public Dictionary<string, string> Configuration { get; set; } = [];
}

internal sealed class SecretsSpec
{
    public List<SecretScope> Scopes { get; set; } = [];
}

internal sealed class SecretScope
{
    public string StoreName { get; set; } = "";
    public string? DefaultAccess { get; set; }
    public List<string> AllowedSecrets { get; set; } = [];
    public List<string> DeniedSecrets { get; set; } = [];
}

internal sealed class AccessControl
{
    public string DefaultAction { get; set; } = "";
    public string? TrustDomain { get; set; }
    public List<AccessPolicy> Policies { get; set; } = [];
}

internal sealed class AccessPolicy
{
    public string AppId { get; set; } = "";
    public string DefaultAction { get; set; } = "";
    public string TrustDomain { get; set; } = "";
    public string Namespace { get; set; } = "";
    public List<AccessOperation> Operations { get; set; } = [];
}

internal sealed class AccessOperation
{
    public string Name { get; set; } = "";
    public List<string> HttpVerb { get; set; } = [];
    public string Action { get; set; } = "";
}

internal sealed class ResiliencyResource
{
    public string ApiVersion { get; set; } = "";
    public string Kind { get; set; } = "";
    public ResourceMetadata Metadata { get; set; } = new();
    public ResiliencySpec Spec { get; set; } = new();
    public List<string> Scopes { get; set; } = [];
}

internal sealed class ResiliencySpec
{
    public ResiliencyPolicies Policies { get; set; } = new();
    public ResiliencyTargets Targets { get; set; } = new();
}

internal sealed class ResiliencyPolicies
{
    public Dictionary<string, string> Timeouts { get; set; } = [];
    public Dictionary<string, Dictionary<string, object>> Retries { get; set; } = [];
    public Dictionary<string, Dictionary<string, object>> CircuitBreakers { get; set; } = [];
}

internal sealed class ResiliencyTargets
{
    public Dictionary<string, AppTarget> Apps { get; set; } = [];
}

internal sealed class AppTarget
{
    public string? Timeout { get; set; }
    public string? Retry { get; set; }
    public string? CircuitBreaker { get; set; }
    public int? CircuitBreakerCacheSize { get; set; }
}
