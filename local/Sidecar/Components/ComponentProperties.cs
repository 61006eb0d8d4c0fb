using PiiMasking.Sidecar.Resources;

namespace PiiMasking.Sidecar.Components;

/// <summary>The metadata of a component with secrets, environment and templates filled in.</summary>
internal static class ComponentProperties
{
    /// <param name="component">As it stands in the file.</param>
    /// <param name="store">The store of auth.secretStore, null if it names none.</param>
    /// <param name="usesNamespace">True if a value holds {namespace}: then topics get the namespace in front.</param>
    /// <exception cref="ComponentException">A template cannot be filled.</exception>
    public static Dictionary<string, string> Resolve(
        ComponentResource component, ISecretStore? store, SidecarOptions options, Func<string, string?> environment, ILogger logger,
        out bool usesNamespace)
    {
        usesNamespace = false;
        var properties = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var item in component.Spec.Metadata ?? [])
        {
            if (string.IsNullOrEmpty(item.Name))
                continue;
            var value = Yaml.TextOf(item.Value);
            if (item.SecretKeyRef is { Name.Length: > 0 } secret)
                value = Secret(component, item.Name, secret, store, logger);
            else if (value.Length == 0 && !string.IsNullOrEmpty(item.EnvRef))
                value = Variable(component, item.Name, item.EnvRef, environment, logger);

            usesNamespace |= value.Contains("{namespace}", StringComparison.Ordinal);
            properties[item.Name] = Fill(item.Name, value, options);
        }

        return properties;
    }

    private static string Secret(ComponentResource component, string property, SecretKeyRef reference, ISecretStore? store, ILogger logger)
    {
        var key = string.IsNullOrEmpty(reference.Key) ? reference.Name! : reference.Key;
        if (store?.Get(reference.Name!)?.TryGetValue(key, out var value) == true)
            return value;
        logger.SecretMissing(component.Name, property, reference.Name!);
        return "";
    }

    private static string Variable(
        ComponentResource component, string property, string variable, Func<string, string?> environment, ILogger logger)
    {
        if (!LocalEnvSecretStore.IsAllowed(variable))
        {
            logger.EnvRefRefused(component.Name, property, variable);
            return "";
        }

        return environment(variable) ?? "";
    }

    private static string Fill(string property, string value, SidecarOptions options)
    {
        if (!value.Contains('{', StringComparison.Ordinal))
            return value;
        if (options.PodName is null && value.Contains("{podName}", StringComparison.Ordinal))
            throw new ComponentException($"property {property} refers to {{podName}} but POD_NAME is not set");

        // Each occurrence of {uuid} is another one.
        while (value.IndexOf("{uuid}", StringComparison.Ordinal) is var at and >= 0)
            value = string.Concat(value.AsSpan(0, at), Guid.NewGuid().ToString(), value.AsSpan(at + "{uuid}".Length));

        return value
            .Replace("{podName}", options.PodName, StringComparison.Ordinal)
            .Replace("{namespace}", $"{options.EffectiveNamespace}.{options.AppId}", StringComparison.Ordinal)
            .Replace("{appID}", options.AppId, StringComparison.Ordinal);
    }
}
