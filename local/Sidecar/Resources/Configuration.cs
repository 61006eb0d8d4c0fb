using System.Text.Json;
using System.Text.Json.Nodes;
using YamlDotNet.Core;

namespace PiiMasking.Sidecar.Resources;

/// <summary>The part of a Configuration (dapr.io/v1alpha1, given by --config) that the stand-in acts on.</summary>
internal sealed record Configuration(SecretsSpec? Secrets, AccessControlSpec? AccessControl, NameResolutionSpec? NameResolution)
{
    private static readonly string[] Understood = ["secrets", "accessControl", "nameResolution"];

    /// <summary>Reads the files in order; later ones overlay earlier ones member by member.</summary>
    /// <exception cref="StartupException">A file is missing or wrong, or asks for what is not implemented.</exception>
    public static Configuration Load(IReadOnlyList<string> paths, Func<string, string?> environment, ILogger logger)
    {
        var spec = new JsonObject();
        foreach (var path in paths)
            Overlay(spec, Read(path, environment));

        foreach (var (name, value) in spec)
        {
            if (value is not null && !Understood.Contains(name, StringComparer.OrdinalIgnoreCase))
                logger.ConfigurationNotApplied(name);
        }

        Configuration configuration;
        try
        {
            configuration = spec.Deserialize<Configuration>(Yaml.Lenient)!;
        }
        catch (JsonException wrong)
        {
            throw new StartupException($"the configuration has a wrong value at spec{wrong.Path?.TrimStart('$')}");
        }

        configuration.AccessControl?.Check();
        return configuration;
    }

    private static JsonObject Read(string path, Func<string, string?> environment)
    {
        if (!File.Exists(path))
            throw new StartupException($"--config {path} does not exist");

        var text = GoText.ExpandEnvironment(File.ReadAllText(path), environment);
        try
        {
            foreach (var document in Yaml.Documents(text))
            {
                if (Yaml.ToJson(document) is not JsonObject members)
                    continue;
                if (members["kind"] is JsonValue kind && kind.ToString() is var name && name != "Configuration")
                    throw new StartupException($"--config {path} holds a {name}, not a Configuration");
                return members["spec"] as JsonObject ?? [];
            }
        }
        catch (YamlException wrong)
        {
            throw new StartupException($"--config {path} is not valid YAML (line {wrong.Start.Line})");
        }

        return [];
    }

    private static void Overlay(JsonObject below, JsonObject above)
    {
        foreach (var (name, value) in above)
        {
            if (value is JsonObject inner && below[name] is JsonObject existing)
                Overlay(existing, inner);
            else
                below[name] = value?.DeepClone();
        }
    }
}

internal sealed record SecretsSpec(IReadOnlyList<SecretScope>? Scopes);

internal sealed record SecretScope(
    string? StoreName, string? DefaultAccess, IReadOnlyList<string>? AllowedSecrets, IReadOnlyList<string>? DeniedSecrets)
{
    /// <summary>A list of allowed secrets decides alone; else the denied ones; else the default.</summary>
    public bool Allows(string key)
    {
        if (AllowedSecrets is { Count: > 0 })
            return AllowedSecrets.Contains(key);
        if (DeniedSecrets?.Contains(key) == true)
            return false;
        return !string.Equals(DefaultAccess, "deny", StringComparison.OrdinalIgnoreCase);
    }
}

/// <summary>Who may invoke this app. Without mTLS no caller is known, so only the global default can apply.</summary>
internal sealed record AccessControlSpec(string? DefaultAction, string? TrustDomain, IReadOnlyList<AccessControlPolicy>? Policies)
{
    /// <summary>Nothing configured allows all; policies without a default deny.</summary>
    public bool AllowsUnknownCallers => DefaultAction switch
    {
        null or "" => Policies is null or { Count: 0 },
        _ => string.Equals(DefaultAction, "allow", StringComparison.OrdinalIgnoreCase),
    };

    public void Check()
    {
        foreach (var policy in Policies ?? [])
        {
            var missing = string.IsNullOrEmpty(policy.AppId) ? "appId"
                : string.IsNullOrEmpty(policy.TrustDomain) ? "trustDomain"
                : string.IsNullOrEmpty(policy.Namespace) ? "namespace"
                : null;
            if (missing is not null)
                throw new StartupException($"spec.accessControl: the policy for app '{policy.AppId}' has no {missing}");
        }
    }
}

internal sealed record AccessControlPolicy(string? AppId, string? TrustDomain, string? Namespace);

internal sealed record NameResolutionSpec(string? Component, JsonElement? Configuration)
{
    /// <returns>The member of the component's own configuration, or "".</returns>
    public string Setting(string name)
    {
        if (Configuration is not { ValueKind: JsonValueKind.Object } members)
            return "";
        foreach (var member in members.EnumerateObject())
        {
            if (string.Equals(member.Name, name, StringComparison.OrdinalIgnoreCase))
                return Yaml.TextOf(member.Value);
        }

        return "";
    }
}
