using PiiMasking.Sidecar.Resources;

namespace PiiMasking.Sidecar.Components;

/// <summary>A pub/sub component that is up.</summary>
/// <param name="TopicPrefix">Set in front of every topic towards the component; "" usually.</param>
internal sealed record PubSubComponent(string Name, IPubSub Broker, TopicScopes Scopes, string TopicPrefix);

/// <param name="Version">"" if the file gives none.</param>
internal sealed record LoadedComponent(string Name, string Type, string Version, IReadOnlyCollection<string> Capabilities);

/// <summary>The components of this sidecar. Filled once, before the API starts.</summary>
internal sealed class ComponentRegistry(
    SidecarOptions options, SocketDiscovery discovery, TimeProvider time, ILogger<ComponentRegistry> logger) : IAsyncDisposable
{
    private readonly Dictionary<string, PubSubComponent> pubSubs = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ISecretStore> secretStores = new(StringComparer.Ordinal);
    private readonly List<LoadedComponent> loaded = [];

    public IReadOnlyDictionary<string, PubSubComponent> PubSubs => pubSubs;
    public IReadOnlyDictionary<string, ISecretStore> SecretStores => secretStores;
    public IReadOnlyList<LoadedComponent> Loaded => loaded;

    /// <exception cref="StartupException">A component that does not say ignoreErrors did not come up.</exception>
    public async Task LoadAsync(IReadOnlyList<ComponentResource> components, CancellationToken stopping)
    {
        var sockets = await discovery.FindAsync(stopping);

        // A component whose secret store is not up yet waits until it is.
        var waiting = components.ToList();
        while (waiting.FindAll(component => MissingStore(component) is null) is { Count: > 0 } ready)
        {
            foreach (var component in ready)
            {
                waiting.Remove(component);
                await StartAsync(component, sockets, stopping);
            }
        }

        foreach (var component in waiting)
            logger.ComponentParked(component.Name, MissingStore(component)!);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var pubSub in pubSubs.Values)
            await pubSub.Broker.DisposeAsync();
    }

    private string? MissingStore(ComponentResource component) =>
        component.Auth?.SecretStore is { Length: > 0 } store
        && component.Spec.Metadata?.Any(item => item.SecretKeyRef is { Name.Length: > 0 }) == true
        && !secretStores.ContainsKey(store)
            ? store
            : null;

    private async Task StartAsync(ComponentResource component, IReadOnlyDictionary<string, string> sockets, CancellationToken stopping)
    {
        try
        {
            var store = component.Auth?.SecretStore is { Length: > 0 } name ? secretStores.GetValueOrDefault(name) : null;
            var properties = ComponentProperties.Resolve(
                component, store, options, Environment.GetEnvironmentVariable, logger, out var usesNamespace);

            var capabilities = await CreateAsync(component, properties, usesNamespace, sockets, stopping);
            loaded.Add(new LoadedComponent(component.Name, component.Spec.Type!, component.Spec.Version ?? "", capabilities));
            logger.ComponentLoaded(component.Name, component.Spec.FullType);
        }
        catch (ComponentException failed)
        {
            var why = $"component '{component.Name}' ({component.Spec.FullType}) did not start: {failed.Message.ReplaceLineEndings(" ")}";
            if (!component.Spec.IgnoreErrors)
                throw new StartupException(why);
            logger.ComponentIgnored(why);
        }
    }

    private async Task<IReadOnlyCollection<string>> CreateAsync(
        ComponentResource component, Dictionary<string, string> properties, bool usesNamespace,
        IReadOnlyDictionary<string, string> sockets, CancellationToken stopping)
    {
        // The version may be left out; v0 and v1 are the same.
        var type = component.Spec.Version is null or "" or "v0" or "v1" ? component.Spec.Type?.ToLowerInvariant() : null;
        switch (type)
        {
            case "secretstores.local.file":
                return Add(component.Name, new LocalFileSecretStore(properties));
            case "secretstores.local.env":
                return Add(component.Name, new LocalEnvSecretStore(properties));
            case "pubsub.in-memory":
                return Add(component.Name, new InMemoryPubSub(time), properties, usesNamespace);
            case not null when sockets.TryGetValue(type, out var socket):
                properties.TryAdd("consumerID", options.AppId);
                var broker = await PluggablePubSub.ConnectAsync(
                    component.Name, socket, properties, component.Spec.InitTimeoutOrDefault, stopping);
                return Add(component.Name, broker, properties, usesNamespace);
            case not null when type.StartsWith("pubsub.", StringComparison.Ordinal):
                throw new ComponentException(
                    $"couldn't find message bus {component.Spec.FullType}: no socket in {options.SocketsFolder} offers it, "
                    + "and of the built-in ones this stand-in has only pubsub.in-memory");
            default:
                throw new ComponentException(
                    $"the type {component.Spec.FullType} is not supported by this stand-in: it has pubsub.in-memory, pluggable "
                    + "pub/sub components, secretstores.local.file and secretstores.local.env");
        }
    }

    private IReadOnlyCollection<string> Add(string name, ISecretStore store)
    {
        secretStores[name] = store;
        return store.Features;
    }

    private IReadOnlyCollection<string> Add(string name, IPubSub broker, Dictionary<string, string> properties, bool usesNamespace)
    {
        var prefix = usesNamespace ? options.EffectiveNamespace : "";
        pubSubs[name] = new PubSubComponent(name, broker, new TopicScopes(properties, options.AppId), prefix);
        return broker.Features;
    }
}
