using System.Collections;

namespace PiiMasking.Sidecar.Components;

/// <summary>secretstores.local.env: the sidecar's own environment. A missing variable is an empty secret, not an error.</summary>
internal sealed class LocalEnvSecretStore(IReadOnlyDictionary<string, string> properties) : ISecretStore
{
    private readonly string prefix = properties.GetValueOrDefault("prefix") ?? "";

    public IReadOnlyCollection<string> Features => [];

    public IReadOnlyDictionary<string, string> Get(string name)
    {
        var variable = prefix + name;
        var value = IsAllowed(variable) ? Environment.GetEnvironmentVariable(variable) : null;
        return new Dictionary<string, string>(StringComparer.Ordinal) { [name] = value ?? "" };
    }

    public IReadOnlyDictionary<string, IReadOnlyDictionary<string, string>> GetAll()
    {
        var all = new Dictionary<string, IReadOnlyDictionary<string, string>>(StringComparer.Ordinal);
        foreach (DictionaryEntry variable in Environment.GetEnvironmentVariables())
        {
            var full = (string)variable.Key;
            if (full.StartsWith(prefix, StringComparison.Ordinal) && IsAllowed(full))
                all[full[prefix.Length..]] = Get(full[prefix.Length..]);
        }

        return all;
    }

    /// <summary>The sidecar's own tokens and settings are nobody's secrets to read.</summary>
    public static bool IsAllowed(string variable) =>
        !variable.StartsWith("DAPR_", StringComparison.OrdinalIgnoreCase)
        && !variable.Equals("APP_API_TOKEN", StringComparison.OrdinalIgnoreCase);
}
