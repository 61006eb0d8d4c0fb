using System.Text.Json;
using System.Text.Json.Nodes;
using YamlDotNet.Core;

namespace PiiMasking.Sidecar.Resources;

/// <summary>Everything the resources folders ask for that concerns this app.</summary>
internal sealed record LoadedResources(IReadOnlyList<ComponentResource> Components, IReadOnlyList<SubscriptionResource> Subscriptions);

/// <summary>Reads the folders of --resources-path by daprd's rules (dapr/pkg/internal/loader/disk).</summary>
internal sealed class ResourceLoader(SidecarOptions options, ILogger<ResourceLoader> logger)
{
    /// <exception cref="StartupException">A folder that is not there, or one component name used twice.</exception>
    public LoadedResources Load()
    {
        var components = new List<ComponentResource>();
        var subscriptions = new List<SubscriptionResource>();

        foreach (var file in options.ResourcesPaths.SelectMany(FilesOf))
        {
            var isFirst = true;
            foreach (var text in Yaml.Documents(File.ReadAllText(file)))
            {
                Take(file, text, isFirst, components, subscriptions);
                isFirst = false;
            }
        }

        if (components.GroupBy(component => component.Name, StringComparer.Ordinal).FirstOrDefault(same => same.Count() > 1) is { } twice)
            throw new StartupException($"duplicate definition of component name {twice.Key}: each name may be used once");

        return new LoadedResources([.. components.Where(IsForThisApp)], subscriptions);

        bool IsForThisApp(ComponentResource component) => InScope(component.Scopes);
    }

    private IEnumerable<string> FilesOf(string folder)
    {
        if (!Directory.Exists(folder))
            throw new StartupException($"--resources-path {folder} does not exist");

        foreach (var entry in Directory.EnumerateFileSystemEntries(folder).Order(StringComparer.Ordinal))
        {
            if (Directory.Exists(entry))
                continue;
            if (Path.GetExtension(entry).ToUpperInvariant() is ".YAML" or ".YML")
                yield return entry;
            else
                logger.NotAResourceFile(entry);
        }
    }

    private void Take(
        string file, string text, bool isFirst, List<ComponentResource> components, List<SubscriptionResource> subscriptions)
    {
        try
        {
            if (Yaml.ToJson(text) is not JsonObject document || document.Deserialize<ResourceHead>(Yaml.Lenient) is not { } head)
                return;
            if (options.Namespace is { } own && head.Metadata?.Namespace is { Length: > 0 } its && its != own)
                return;

            switch (head.ApiVersion, head.Kind)
            {
                case ("dapr.io/v1alpha1", "Component"):
                    var component = document.Deserialize<ComponentResource>(Yaml.Lenient);
                    if (component is not { Metadata.Name.Length: > 0, Spec: not null })
                        throw new StartupException($"a component in {file} has no metadata.name or no spec");
                    components.Add(component);
                    break;
                case ("dapr.io/v1alpha1" or "dapr.io/v2alpha1", "Subscription"):
                    if (InScope(head.Scopes)
                        && document.Deserialize<SubscriptionResource>(Yaml.Lenient) is { Metadata: not null, Spec: not null } subscription)
                        subscriptions.Add(subscription);
                    break;
                // daprd reads a Resiliency only from the first document of a file.
                case ("dapr.io/v1alpha1", "Resiliency") when isFirst && InScope(head.Scopes):
                    logger.NotApplied("Resiliency", head.Metadata?.Name ?? "", file);
                    break;
                case ({ } version, { } kind) when version.StartsWith("dapr.io/", StringComparison.Ordinal)
                    && kind is not ("Configuration" or "Resiliency") && InScope(head.Scopes):
                    logger.NotApplied(kind, head.Metadata?.Name ?? "", file);
                    break;
            }
        }
        catch (Exception broken) when (broken is YamlException or JsonException)
        {
            logger.BrokenDocument(file, broken is YamlException yaml ? yaml.Start.Line : 0);
        }
    }

    private bool InScope(IReadOnlyList<string>? scopes) => scopes is null or { Count: 0 } || scopes.Contains(options.AppId);
}
