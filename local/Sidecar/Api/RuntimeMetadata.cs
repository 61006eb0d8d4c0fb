using System.Text.Json.Nodes;
using PiiMasking.Sidecar.Components;
using PiiMasking.Sidecar.Protos.Runtime;
using PiiMasking.Sidecar.PubSub;

namespace PiiMasking.Sidecar.Api;

/// <summary>What the sidecar says about itself, over HTTP and gRPC.</summary>
internal sealed class RuntimeMetadata(
    SidecarOptions options, ComponentRegistry components, Subscriptions subscriptions, Readiness readiness)
{
    public JsonObject ToJson()
    {
        var json = new JsonObject
        {
            ["id"] = options.AppId,
            ["runtimeVersion"] = SidecarOptions.Version,
            ["components"] = new JsonArray([.. components.Loaded.Select(Component)]),
            ["extended"] = new JsonObject(
                readiness.Extended.Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)pair.Value))),
            ["subscriptions"] = new JsonArray([.. subscriptions.Known.Select(Subscription)]),
            ["appConnectionProperties"] = AppConnection(),
            ["actorRuntime"] = new JsonObject { ["runtimeStatus"] = "DISABLED", ["hostReady"] = false },
        };
        return json;
    }

    public GetMetadataResponse ToMessage()
    {
        var message = new GetMetadataResponse { Id = options.AppId, RuntimeVersion = SidecarOptions.Version };
        message.ExtendedMetadata.Add(readiness.Extended.ToDictionary());
        foreach (var component in components.Loaded)
        {
            message.RegisteredComponents.Add(new RegisteredComponents
            {
                Name = component.Name,
                Type = component.Type,
                Version = component.Version,
                Capabilities = { component.Capabilities },
            });
        }

        foreach (var subscription in subscriptions.Known)
        {
            message.Subscriptions.Add(new PubsubSubscription
            {
                PubsubName = subscription.PubSubName,
                Topic = subscription.Topic,
                Metadata = { subscription.Metadata.ToDictionary() },
                Rules = new PubsubSubscriptionRules { Rules = { new PubsubSubscriptionRule { Path = subscription.Route } } },
                DeadLetterTopic = subscription.DeadLetterTopic ?? "",
                Type = subscription.Kind == SubscriptionKind.Declarative
                    ? PubsubSubscriptionType.Declarative
                    : PubsubSubscriptionType.Programmatic,
            });
        }

        if (options.AppPort is { } port)
        {
            message.AppConnectionProperties = new AppConnectionProperties
            {
                Port = port,
                Protocol = Protocol,
                ChannelAddress = options.AppChannelAddress,
                MaxConcurrency = Math.Max(options.AppMaxConcurrency, 0),
            };
        }

        return message;
    }

    private string Protocol => options.AppSpeaksHttp2 ? "h2c" : "http";

    private JsonObject AppConnection()
    {
        var json = new JsonObject();
        if (options.AppPort is not { } port)
            return json;
        json["port"] = port;
        json["protocol"] = Protocol;
        json["channelAddress"] = options.AppChannelAddress;
        if (options.AppMaxConcurrency > 0)
            json["maxConcurrency"] = options.AppMaxConcurrency;
        if (options.AppHealthCheck)
        {
            json["health"] = new JsonObject
            {
                ["healthCheckPath"] = options.AppHealthPath,
                ["healthProbeInterval"] = $"{options.AppHealthInterval.TotalSeconds:0.###}s",
                ["healthProbeTimeout"] = $"{options.AppHealthTimeout.TotalMilliseconds:0.###}ms",
                ["healthThreshold"] = options.AppHealthThreshold,
            };
        }

        return json;
    }

    private static JsonObject Component(LoadedComponent component)
    {
        var json = new JsonObject { ["name"] = component.Name, ["type"] = component.Type, ["version"] = component.Version };
        if (component.Capabilities.Count > 0)
            json["capabilities"] = new JsonArray([.. component.Capabilities.Select(capability => JsonValue.Create(capability))]);
        return json;
    }

    private static JsonObject Subscription(AppSubscription subscription)
    {
        var json = new JsonObject { ["pubsubname"] = subscription.PubSubName, ["topic"] = subscription.Topic };
        if (subscription.Metadata.Count > 0)
        {
            json["metadata"] = new JsonObject(
                subscription.Metadata.Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)pair.Value)));
        }

        json["rules"] = new JsonArray(new JsonObject { ["path"] = subscription.Route });
        json["deadLetterTopic"] = subscription.DeadLetterTopic ?? "";
        json["type"] = subscription.Kind == SubscriptionKind.Declarative ? "DECLARATIVE" : "PROGRAMMATIC";
        return json;
    }
}
