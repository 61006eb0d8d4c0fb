using PiiMasking.Sidecar.Resources;

namespace PiiMasking.Sidecar.PubSub;

internal enum SubscriptionKind
{
    Declarative,
    Programmatic,
}

/// <param name="MaxMessages">The most messages in one call to the app.</param>
/// <param name="MaxAwait">How long the first message of a batch waits for others.</param>
/// <param name="AwaitIsGiven">The app asked for this wait; it is not the default.</param>
internal sealed record BulkSettings(int MaxMessages, TimeSpan MaxAwait, bool AwaitIsGiven);

/// <summary>What the app subscribed to: one topic, one route.</summary>
/// <param name="DeadLetterTopic">Null: none.</param>
/// <param name="Bulk">Null: one message a call.</param>
internal sealed record AppSubscription(
    string PubSubName, string Topic, string Route, IReadOnlyDictionary<string, string> Metadata, string? DeadLetterTopic,
    BulkSettings? Bulk, SubscriptionKind Kind)
{
    /// <summary>The app wants the component's bytes as they are. "rawPayload" is the only metadata key that daprd reads.</summary>
    public bool IsRaw => PublishMetadata.TryRawPayload(Metadata, out var raw) && raw;

    /// <summary>Makes a subscription of what the app answered or a file says.</summary>
    /// <returns>Null for one without any route, which daprd drops with a warning.</returns>
    /// <exception cref="StartupException">It has a routing rule that looks at the event: those need CEL.</exception>
    public static AppSubscription? From(SubscriptionSpec spec, SubscriptionKind kind)
    {
        var rules = spec.Routes?.Rules ?? [];
        if (rules.FirstOrDefault(rule => !string.IsNullOrEmpty(rule.Match)) is not null)
        {
            throw new StartupException(
                $"the subscription to topic '{spec.Topic}' of '{spec.PubsubName}' has a routing rule with a match expression (CEL), "
                + "which is not supported by this stand-in: use a route, or routes.default alone");
        }

        var route = FirstOf(rules.Count > 0 ? rules[0].Path : null, spec.Routes?.Default, spec.Route);
        if (route is null)
            return null;

        return new AppSubscription(
            spec.PubsubName ?? "", spec.Topic ?? "", route, spec.Metadata ?? new Dictionary<string, string>(),
            string.IsNullOrEmpty(spec.DeadLetterTopic) ? null : spec.DeadLetterTopic, Settings(spec.BulkSubscribe), kind);
    }

    /// <summary>
    /// One subscription for each component and topic: the first declarative one, replaced by a programmatic one, of which the last counts.
    /// </summary>
    public static IReadOnlyList<AppSubscription> OnePerTopic(
        IEnumerable<AppSubscription> declarative, IEnumerable<AppSubscription> programmatic)
    {
        var chosen = new OrderedDictionary<(string, string), AppSubscription>();
        foreach (var subscription in declarative)
            chosen.TryAdd((subscription.PubSubName, subscription.Topic), subscription);
        foreach (var subscription in programmatic)
            chosen[(subscription.PubSubName, subscription.Topic)] = subscription;
        return [.. chosen.Values];
    }

    private static BulkSettings? Settings(SubscriptionBulk? bulk)
    {
        if (bulk is not { Enabled: true })
            return null;
        var messages = bulk.MaxMessagesCount is > 0 ? bulk.MaxMessagesCount.Value : 100;
        var milliseconds = bulk.MaxAwaitDurationMs is > 0 ? bulk.MaxAwaitDurationMs.Value : 1000;
        return new BulkSettings(messages, TimeSpan.FromMilliseconds(milliseconds), bulk.MaxAwaitDurationMs is > 0);
    }

    private static string? FirstOf(params ReadOnlySpan<string?> candidates)
    {
        foreach (var candidate in candidates)
        {
            if (!string.IsNullOrEmpty(candidate))
                return candidate;
        }

        return null;
    }
}
