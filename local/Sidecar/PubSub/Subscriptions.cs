using System.Net;
using System.Net.Http.Headers;
using System.Net.Mime;
using System.Text.Json;
using PiiMasking.Sidecar.App;
using PiiMasking.Sidecar.Components;
using PiiMasking.Sidecar.Resources;

namespace PiiMasking.Sidecar.PubSub;

/// <summary>All subscriptions of the app: asks for them once, starts them when it is well, stops them when it is not.</summary>
internal sealed class Subscriptions(
    SidecarOptions options, ComponentRegistry components, AppChannel app, SingleDelivery single, BulkDelivery bulk, Publisher publisher,
    TimeProvider time, ILogger<Subscriptions> logger) : IDisposable
{
    // As in dapr/pkg/runtime/subscription/subscription.go, Stop.
    private static readonly TimeSpan PauseWithin = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan QuietBeforeCancel = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan AnswersBeforeCancel = TimeSpan.FromMilliseconds(400);

    private readonly List<(TopicSubscription Work, Task Running)> running = [];
    private IReadOnlyList<AppSubscription> declarative = [];
    private IReadOnlyList<AppSubscription> programmatic = [];
    private bool hasAsked;
    private CancellationTokenSource? streams;

    /// <summary>What is subscribed to now or would be while the app is well.</summary>
    public IReadOnlyList<AppSubscription> Known { get; private set; } = [];

    /// <exception cref="StartupException">A subscription needs what the stand-in does not have.</exception>
    public void Declare(IReadOnlyList<SubscriptionResource> resources)
    {
        declarative = [.. Valid(resources.Select(resource => resource.Spec), SubscriptionKind.Declarative)];
        Known = AppSubscription.OnePerTopic(declarative, []);
    }

    /// <summary>The app became well.</summary>
    /// <exception cref="StartupException">A subscription needs what the stand-in does not have.</exception>
    public async Task StartAsync(CancellationToken stopping)
    {
        if (components.PubSubs.Count == 0)
            return;

        if (!hasAsked)
        {
            // Asked once, whatever comes of it; a failure also leaves the declarative ones for the next time (dapr#7298).
            hasAsked = true;
            if (options.AsksAppSubscriptions && !await AskAsync(stopping))
                return;
        }

        Known = AppSubscription.OnePerTopic(declarative, programmatic);
        streams = new CancellationTokenSource();
        foreach (var subscription in Known)
        {
            if (!components.PubSubs.TryGetValue(subscription.PubSubName, out var component))
            {
                logger.UnknownPubSub(subscription.PubSubName, subscription.Topic);
                continue;
            }

            if (!component.Scopes.MaySubscribe(subscription.Topic))
            {
                logger.SubscriptionForbidden(subscription.PubSubName, subscription.Topic);
                continue;
            }

            var work = new TopicSubscription(subscription, component, single, bulk, publisher, options, time, logger);
            running.Add((work, work.RunAsync(streams.Token)));
        }
    }

    /// <summary>The app became unwell: the streams end, and what is in flight ends with an error.</summary>
    public async Task StopAsync()
    {
        if (streams is null)
            return;
        await streams.CancelAsync();
        await Task.WhenAll(running.Select(one => one.Running));
        running.Clear();
        streams.Dispose();
        streams = null;
    }

    /// <summary>The sidecar stops: pause, let what is in flight finish for the graceful period, then end the streams.</summary>
    public async Task ShutDownAsync()
    {
        if (running.Count > 0)
        {
            // Until the component has answered, everything goes on: what it has handed over is delivered, and its outcome answered.
            using var pausing = new CancellationTokenSource(PauseWithin, time);
            await Task.WhenAll(running.Select(one => one.Work.PauseAsync(pausing.Token)))
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            var hadWork = running.Any(one => one.Work.IsBusy);
            var drained = Task.WhenAll(running.Select(one => one.Work.CloseAsync()));
            try
            {
                await drained.WaitAsync(options.GracefulShutdown, time);
            }
            catch (TimeoutException)
            {
                logger.DrainTimedOut(options.GracefulShutdown.TotalSeconds);
            }

            // A cancel overtakes what has been written to the stream: without a pause the component never reads the last answers.
            await Task.Delay(hadWork ? AnswersBeforeCancel : QuietBeforeCancel, time);
        }

        await StopAsync();
    }

    public void Dispose() => streams?.Dispose();

    private async Task<bool> AskAsync(CancellationToken stopping)
    {
        using var response = await SendAsync(stopping);
        if (response is null)
        {
            logger.SubscribeUnreachable();
            return false;
        }

        if (response.StatusCode == HttpStatusCode.NotFound)
        {
            logger.NoSubscriptions();
            return true;
        }

        if (response.StatusCode != HttpStatusCode.OK)
        {
            logger.SubscribeAnswered((int)response.StatusCode);
            return true;
        }

        var body = await response.Content.ReadAsByteArrayAsync(stopping);
        if (body.Length == 0)
            return true;
        try
        {
            var specs = JsonSerializer.Deserialize<IReadOnlyList<SubscriptionSpec>>(body, JsonSerializerOptions.Web) ?? [];
            programmatic = [.. Valid(specs, SubscriptionKind.Programmatic)];
            return true;
        }
        catch (JsonException malformed)
        {
            logger.SubscribeMalformed(malformed.BytePositionInLine ?? 0);
            return true;
        }
    }

    /// <returns>Null if the app cannot be reached, after three tries more.</returns>
    private async Task<HttpResponseMessage?> SendAsync(CancellationToken stopping)
    {
        var delay = TimeSpan.FromMilliseconds(500);
        for (var retry = 0; ; retry++)
        {
            try
            {
                using var request = app.Request(HttpMethod.Get, "/dapr/subscribe");
                request.Content = new ByteArrayContent([]);
                request.Content.Headers.ContentType = new MediaTypeHeaderValue(MediaTypeNames.Application.Json);
                request.Headers.TryAddWithoutValidation("dapr-app-id", options.AppId);
                app.Authenticate(request);
                return await app.AskAsync(request, stopping);
            }
            catch (HttpRequestException) when (retry < 3)
            {
                await Task.Delay(delay, time, stopping);
                delay *= 1.5;
            }
            catch (HttpRequestException)
            {
                return null;
            }
        }
    }

    private IEnumerable<AppSubscription> Valid(IEnumerable<SubscriptionSpec> specs, SubscriptionKind kind)
    {
        foreach (var spec in specs)
        {
            if (AppSubscription.From(spec, kind) is { } subscription)
                yield return subscription;
            else
                logger.SubscriptionWithoutRoute(spec.PubsubName ?? "", spec.Topic ?? "");
        }
    }
}
