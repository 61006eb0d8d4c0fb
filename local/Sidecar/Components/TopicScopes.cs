namespace PiiMasking.Sidecar.Components;

/// <summary>Which topics this app may publish and subscribe to, from a component's metadata.</summary>
internal sealed class TopicScopes
{
    private readonly string[] allowed;
    private readonly string[] isProtected;
    private readonly string[] publishing;
    private readonly string[] subscribing;

    public TopicScopes(IReadOnlyDictionary<string, string> properties, string appId)
    {
        allowed = List(properties.GetValueOrDefault("allowedTopics"));
        isProtected = List(properties.GetValueOrDefault("protectedTopics"));
        publishing = Scoped(properties.GetValueOrDefault("publishingScopes"), appId);
        subscribing = Scoped(properties.GetValueOrDefault("subscriptionScopes"), appId);
    }

    public bool MayPublish(string topic) => May(topic, publishing);

    public bool MaySubscribe(string topic) => May(topic, subscribing);

    private bool May(string topic, string[] scopes)
    {
        if (allowed.Length > 0 && !allowed.Contains(topic))
            return false;
        // A protected topic needs a scope that names it; any other only if this app has scopes at all.
        if (scopes.Length == 0 && !isProtected.Contains(topic))
            return true;
        return scopes.Contains(topic);
    }

    private static string[] List(string? text) =>
        (text ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    // "app1=t1,t2;app2=t3". An app that is named with nothing behind it may nothing, so the empty topic stays in the list.
    private static string[] Scoped(string? text, string appId) =>
    [
        .. (text ?? "").Split(';')
            .Select(part => part.Split('=', 2, StringSplitOptions.TrimEntries))
            .Where(part => part.Length == 2 && part[0] == appId)
            .SelectMany(part => part[1].Split(',', StringSplitOptions.TrimEntries)),
    ];
}
