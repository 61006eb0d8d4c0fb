using Grpc.Core;

namespace PiiMasking.Sidecar;

/// <summary>All that the sidecar writes. Names of files, components, topics and apps, counts and codes; nothing out of a message.</summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Information,
        "Sidecar stand-in {Version} for app {AppId}: HTTP {HttpPort}, gRPC {GrpcPort}, internal {InternalPort}")]
    public static partial void Starting(this ILogger logger, string version, string appId, int httpPort, int grpcPort, int internalPort);

    [LoggerMessage(2, LogLevel.Warning, "--{Flag} is accepted but has no effect in this stand-in")]
    public static partial void FlagWithoutEffect(this ILogger logger, string flag);

    [LoggerMessage(3, LogLevel.Warning, "Ignored argument '{Argument}': it belongs to no flag (a switch takes its value as --flag=false)")]
    public static partial void StrayArgument(this ILogger logger, string argument);

    [LoggerMessage(4, LogLevel.Information, "Components and API are ready")]
    public static partial void OutboundReady(this ILogger logger);

    [LoggerMessage(5, LogLevel.Information, "Ready")]
    public static partial void Ready(this ILogger logger);

    [LoggerMessage(6, LogLevel.Information, "Stopping")]
    public static partial void Stopping(this ILogger logger);

    [LoggerMessage(7, LogLevel.Debug, "GET /dapr/config answered {Status}")]
    public static partial void AppConfigAnswered(this ILogger logger, int status);

    [LoggerMessage(8, LogLevel.Warning, "GET /dapr/config failed: the app could not be reached")]
    public static partial void AppConfigUnreachable(this ILogger logger);

    [LoggerMessage(20, LogLevel.Warning, "{File} is not a YAML file and is skipped")]
    public static partial void NotAResourceFile(this ILogger logger, string file);

    [LoggerMessage(21, LogLevel.Warning, "{Kind} '{Name}' in {File} is not applied by this stand-in")]
    public static partial void NotApplied(this ILogger logger, string kind, string name, string file);

    [LoggerMessage(22, LogLevel.Warning, "A document in {File} cannot be read as YAML of its kind (line {Line}) and is skipped")]
    public static partial void BrokenDocument(this ILogger logger, string file, long line);

    [LoggerMessage(23, LogLevel.Warning, "spec.{Member} of the configuration is not applied by this stand-in")]
    public static partial void ConfigurationNotApplied(this ILogger logger, string member);

    [LoggerMessage(30, LogLevel.Warning, "{Path} is not a socket and is skipped")]
    public static partial void NotASocket(this ILogger logger, string path);

    [LoggerMessage(31, LogLevel.Error,
        "Discovery of pluggable components failed at {Path} ({Status}): is its process running? If not, delete the socket")]
    public static partial void DiscoveryFailed(this ILogger logger, string path, StatusCode status);

    [LoggerMessage(32, LogLevel.Information, "Pluggable component {Type} found at {Socket}")]
    public static partial void ComponentDiscovered(this ILogger logger, string type, string socket);

    [LoggerMessage(33, LogLevel.Information, "Component loaded: {Name} ({Type})")]
    public static partial void ComponentLoaded(this ILogger logger, string name, string type);

    [LoggerMessage(34, LogLevel.Error, "{Reason}; ignored as its ignoreErrors says")]
    public static partial void ComponentIgnored(this ILogger logger, string reason);

    [LoggerMessage(35, LogLevel.Warning, "Component {Name} is not loaded: it waits for the secret store '{Store}', which there is none of")]
    public static partial void ComponentParked(this ILogger logger, string name, string store);

    [LoggerMessage(36, LogLevel.Error,
        "Component {Name}: secret '{Secret}' for property {Property} was not found; the property stays empty")]
    public static partial void SecretMissing(this ILogger logger, string name, string property, string secret);

    [LoggerMessage(37, LogLevel.Error,
        "Component {Name}: envRef {Variable} of property {Property} is not allowed; the property stays empty")]
    public static partial void EnvRefRefused(this ILogger logger, string name, string property, string variable);

    [LoggerMessage(40, LogLevel.Information, "Waiting for the app on port {Port}")]
    public static partial void WaitingForApp(this ILogger logger, int port);

    [LoggerMessage(41, LogLevel.Information, "App found on port {Port}")]
    public static partial void AppDiscovered(this ILogger logger, int port);

    [LoggerMessage(42, LogLevel.Information, "The app is healthy")]
    public static partial void AppHealthy(this ILogger logger);

    [LoggerMessage(43, LogLevel.Warning, "The app is unhealthy after {Failures} failed probes: its subscriptions stop")]
    public static partial void AppUnhealthy(this ILogger logger, int failures);

    [LoggerMessage(50, LogLevel.Information, "Subscribed to topic {Topic} of {PubSub}, route {Route}")]
    public static partial void Subscribed(this ILogger logger, string pubSub, string topic, string route);

    [LoggerMessage(51, LogLevel.Error, "Subscribing to topic {Topic} of {PubSub} failed, will be tried again: {Error}")]
    public static partial void SubscribeFailed(this ILogger logger, string pubSub, string topic, string error);

    [LoggerMessage(52, LogLevel.Error,
        "The stream of topic {Topic} of {PubSub} has ended; it is not opened again until the sidecar restarts")]
    public static partial void StreamEnded(this ILogger logger, string pubSub, string topic);

    [LoggerMessage(53, LogLevel.Error,
        "The stream of topic {Topic} of {PubSub} broke; it is not opened again until the sidecar restarts: {Error}")]
    public static partial void StreamBroken(this ILogger logger, string pubSub, string topic, string error);

    [LoggerMessage(54, LogLevel.Warning, "Delivery from topic {Topic} of {PubSub} failed: {Error}")]
    public static partial void DeliveryFailed(this ILogger logger, string pubSub, string topic, string error);

    [LoggerMessage(55, LogLevel.Warning,
        "Bulk delivery from topic {Topic} of {PubSub}: {Failed} of {Count} messages failed, the first with: {Error}")]
    public static partial void BulkDeliveryFailed(this ILogger logger, string pubSub, string topic, int failed, int count, string error);

    [LoggerMessage(56, LogLevel.Warning, "The app dropped a message from topic {Topic} of {PubSub}")]
    public static partial void MessageDropped(this ILogger logger, string pubSub, string topic);

    [LoggerMessage(57, LogLevel.Warning, "A message from topic {Topic} of {PubSub} had expired and is dropped")]
    public static partial void MessageExpired(this ILogger logger, string pubSub, string topic);

    [LoggerMessage(58, LogLevel.Error, "Publishing to dead-letter topic {Topic} of {PubSub} failed: {Error}")]
    public static partial void DeadLetterFailed(this ILogger logger, string pubSub, string topic, string error);

    [LoggerMessage(59, LogLevel.Warning, "An answer for a message from topic {Topic} of {PubSub} was not sent: {Error}")]
    public static partial void AnswerFailed(this ILogger logger, string pubSub, string topic, string error);

    [LoggerMessage(60, LogLevel.Warning,
        "maxAwaitDurationMs of topic {Topic} of {PubSub} is ignored: the component announces BULK_SUBSCRIBE_IMMEDIATE")]
    public static partial void AwaitIgnored(this ILogger logger, string pubSub, string topic);

    [LoggerMessage(61, LogLevel.Warning, "The app answered for an entry that was not sent; ignored")]
    public static partial void UnknownEntry(this ILogger logger);

    [LoggerMessage(62, LogLevel.Error, "The subscription to topic {Topic} names the pub/sub component '{PubSub}', which is not loaded")]
    public static partial void UnknownPubSub(this ILogger logger, string pubSub, string topic);

    [LoggerMessage(63, LogLevel.Error, "The subscription to topic {Topic} of {PubSub} is not allowed by the component's scopes")]
    public static partial void SubscriptionForbidden(this ILogger logger, string pubSub, string topic);

    [LoggerMessage(64, LogLevel.Warning, "The subscription to topic {Topic} of {PubSub} has no route and is ignored")]
    public static partial void SubscriptionWithoutRoute(this ILogger logger, string pubSub, string topic);

    [LoggerMessage(65, LogLevel.Warning,
        "GET /dapr/subscribe failed: the app could not be reached; there will be no subscriptions until it restarts")]
    public static partial void SubscribeUnreachable(this ILogger logger);

    [LoggerMessage(66, LogLevel.Debug, "GET /dapr/subscribe answered 404: the app has no subscriptions")]
    public static partial void NoSubscriptions(this ILogger logger);

    [LoggerMessage(67, LogLevel.Error, "GET /dapr/subscribe answered {Status}: taken for no subscriptions")]
    public static partial void SubscribeAnswered(this ILogger logger, int status);

    [LoggerMessage(68, LogLevel.Error, "GET /dapr/subscribe answered malformed JSON (byte {Position}): no subscriptions")]
    public static partial void SubscribeMalformed(this ILogger logger, long position);

    [LoggerMessage(69, LogLevel.Warning, "Messages were still in flight after {Seconds} s; their streams are cancelled")]
    public static partial void DrainTimedOut(this ILogger logger, double seconds);

    [LoggerMessage(80, LogLevel.Warning, "The sidecar of {AppId} could not be reached, retry {Retry} of 3")]
    public static partial void InvocationRetried(this ILogger logger, string appId, int retry);

    [LoggerMessage(81, LogLevel.Warning, "Access control denied an invocation ({Verb})")]
    public static partial void AccessDenied(this ILogger logger, string verb);
}
