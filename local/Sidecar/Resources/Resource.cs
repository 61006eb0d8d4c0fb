using System.Text.Json;

namespace PiiMasking.Sidecar.Resources;

/// <summary>What every document says first.</summary>
internal sealed record ResourceHead(string? ApiVersion, string? Kind, ResourceName? Metadata, IReadOnlyList<string>? Scopes);

internal sealed record ResourceName(string? Name, string? Namespace);

/// <summary>A Component file, dapr.io/v1alpha1.</summary>
internal sealed record ComponentResource(ResourceName Metadata, ComponentSpec Spec, ComponentAuth? Auth, IReadOnlyList<string>? Scopes)
{
    public string Name => Metadata.Name ?? "";
}

internal sealed record ComponentSpec(
    string? Type, string? Version, bool IgnoreErrors, JsonElement? InitTimeout, IReadOnlyList<ComponentMetadata>? Metadata)
{
    /// <summary>"pubsub.sqs/v1", as daprd names a type in its messages.</summary>
    public string FullType => $"{Type}/{(string.IsNullOrEmpty(Version) ? "v1" : Version)}";

    /// <value>5 seconds unless the file says otherwise.</value>
    public TimeSpan InitTimeoutOrDefault =>
        GoText.TryDuration(Yaml.TextOf(InitTimeout), out var timeout) && timeout > TimeSpan.Zero ? timeout : TimeSpan.FromSeconds(5);
}

internal sealed record ComponentMetadata(string? Name, JsonElement? Value, SecretKeyRef? SecretKeyRef, string? EnvRef);

internal sealed record SecretKeyRef(string? Name, string? Key);

internal sealed record ComponentAuth(string? SecretStore);

/// <summary>A Subscription file: dapr.io/v2alpha1, or v1alpha1 with one route.</summary>
internal sealed record SubscriptionResource(ResourceName Metadata, SubscriptionSpec Spec, IReadOnlyList<string>? Scopes);

internal sealed record SubscriptionSpec(
    string? PubsubName, string? Topic, string? Route, SubscriptionRoutes? Routes, IReadOnlyDictionary<string, string>? Metadata,
    string? DeadLetterTopic, SubscriptionBulk? BulkSubscribe);

internal sealed record SubscriptionRoutes(IReadOnlyList<SubscriptionRule>? Rules, string? Default);

internal sealed record SubscriptionRule(string? Match, string? Path);

internal sealed record SubscriptionBulk(bool Enabled, int? MaxMessagesCount, int? MaxAwaitDurationMs);
