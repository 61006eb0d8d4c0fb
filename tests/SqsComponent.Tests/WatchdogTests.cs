using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using PiiMasking.SqsComponent.Watchdog;
using PiiMasking.Testing;

namespace PiiMasking.SqsComponent.Tests;

/// <summary>When the sidecar is asked to restart.</summary>
public sealed class WatchdogTests(SqsEmulatorFixture sqs, SharedComponent shared) : ContractTest(sqs, shared)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public async Task A_sidecar_that_does_not_initialise_the_component_is_asked_to_shut_down()
    {
        await using var sidecar = new FakeSidecar();
        await using var component = await ComponentProcess.StartAsync(sidecar.Environment);

        await Eventually.HoldsAsync("it is asked", () => !sidecar.Shutdowns.IsEmpty, stopping: Stopping);

        Assert.All(sidecar.Shutdowns, token => Assert.Equal("the-token", token));
        await LogsAsync(component, "asked to shut down");
        Assert.DoesNotContain("the-token", component.LogText, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_broken_stream_that_nobody_reopens_while_the_app_is_ready_gets_the_sidecar_restarted_once()
    {
        var (queue, _) = await QueueAsync();
        await using var sidecar = new FakeSidecar();
        await using var component = await ComponentProcess.StartAsync(sidecar.Environment);
        var instance = await component.InitAsync(Settings());
        await using (var stream = await instance.SubscribeAsync(queue))
        {
            // It looks ten times in its patience: for twice as long an open stream has been no reason.
            var until = sidecar.Looks + 20;
            await Eventually.HoldsAsync("it has looked on", () => sidecar.Looks >= until, stopping: Stopping);
            Assert.DoesNotContain(Reason(queue), component.LogText, StringComparison.Ordinal);
            sidecar.Shutdowns.Clear();   // before the initialisation, if this machine was slow
        }

        await Eventually.HoldsAsync("it is asked", () => !sidecar.Shutdowns.IsEmpty, stopping: Stopping);

        await LogsAsync(component, Reason(queue));
        static string Reason(string queue) => $"The subscription of {queue} ended";
    }

    [Theory]
    [InlineData(29, true, null)]
    [InlineData(30, true, RestartReason.NotInitialised)]
    [InlineData(3600, false, null)]
    internal void Without_an_initialisation_it_asks_after_its_patience_if_the_sidecar_is_up(int seconds, bool up, RestartReason? expected)
    {
        var decision = new RestartDecision(Patience);

        Assert.Equal(expected, decision.Decide(new Sightings(Start, null, null, []), up, appReady: true, Start.AddSeconds(seconds)));
    }

    [Fact]
    public void A_stream_is_missed_only_while_the_app_has_been_ready_for_the_patience()
    {
        var decision = new RestartDecision(Patience);
        var seen = new Sightings(Start, Start, Start.AddSeconds(10), ["queue"]);

        // The app is unwell: the sidecar closed the stream itself.
        Assert.Null(decision.Decide(seen, sidecarUp: true, appReady: false, Start.AddSeconds(500)));
        Assert.Null(decision.Decide(seen, sidecarUp: true, appReady: true, Start.AddSeconds(501)));
        Assert.Null(decision.Decide(seen, sidecarUp: true, appReady: true, Start.AddSeconds(530)));
        Assert.Equal(RestartReason.StreamNotReopened, decision.Decide(seen, sidecarUp: true, appReady: true, Start.AddSeconds(531)));
    }

    [Fact]
    public void It_asks_no_more_than_once_in_its_patience()
    {
        var decision = new RestartDecision(Patience);
        var seen = new Sightings(Start, null, null, []);
        Assert.NotNull(decision.Decide(seen, sidecarUp: true, appReady: false, Start.AddSeconds(60)));
        decision.Asked(Start.AddSeconds(60));

        Assert.Null(decision.Decide(seen, sidecarUp: true, appReady: false, Start.AddSeconds(89)));
        Assert.NotNull(decision.Decide(seen, sidecarUp: true, appReady: false, Start.AddSeconds(90)));
    }

    [Fact]
    public void A_sidecar_that_restarted_gets_time_to_subscribe()
    {
        var decision = new RestartDecision(Patience);
        decision.Decide(new Sightings(Start, Start, Start, ["queue"]), sidecarUp: true, appReady: true, Start);
        var initialisedAgain = new Sightings(Start, Start.AddSeconds(25), Start, ["queue"]);

        Assert.Null(decision.Decide(initialisedAgain, sidecarUp: true, appReady: true, Start.AddSeconds(54)));
        Assert.NotNull(decision.Decide(initialisedAgain, sidecarUp: true, appReady: true, Start.AddSeconds(55)));
    }

    [Fact]
    public void A_topic_that_the_sidecars_successor_does_not_subscribe_to_is_not_missed_once_it_subscribes_to_others()
    {
        var time = new FakeTimeProvider(Start);
        var sightings = new SidecarSightings(time);
        sightings.Initialised();
        using (sightings.StreamOpened("logins", "queue"))
        using (sightings.StreamOpened("logins", "drained"))
            time.Advance(TimeSpan.FromSeconds(1));

        time.Advance(TimeSpan.FromSeconds(1));
        sightings.Initialised();
        Assert.Equal(["drained", "queue"], sightings.Now().BrokenTopics);
        using var queue = sightings.StreamOpened("logins", "queue");
        Assert.Empty(sightings.Now().BrokenTopics);

        // Its own are missed, whatever it subscribes to besides.
        sightings.StreamOpened("logins", "its own").Dispose();
        using var another = sightings.StreamOpened("logins", "another");
        Assert.Equal(["its own"], sightings.Now().BrokenTopics);
        Assert.Equal(time.GetUtcNow(), sightings.Now().StreamBrokeAt);
    }

    // A process writes its log beside what it does: the request may be here before the line is in the file.
    private static Task LogsAsync(ComponentProcess component, string text) => Eventually.HoldsAsync(
        $"the log says '{text}'", () => component.LogText.Contains(text, StringComparison.Ordinal), stopping: Stopping);

    private sealed class FakeSidecar : IAsyncDisposable
    {
        private readonly WebApplication app;
        private int looks;

        public FakeSidecar()
        {
            var builder = WebApplication.CreateSlimBuilder();
            builder.WebHost.UseUrls("http://127.0.0.1:0");
            builder.Logging.ClearProviders();
            app = builder.Build();
            app.MapGet("/v1.0/healthz/outbound", () =>
            {
                Interlocked.Increment(ref looks);
                return Results.NoContent();
            });
            app.MapGet("/readyz", () => Results.Ok());
            app.MapPost("/v1.0/shutdown", (HttpRequest request) =>
            {
                Shutdowns.Enqueue(request.Headers["dapr-api-token"].ToString());
                return Results.NoContent();
            });
            app.StartAsync().GetAwaiter().GetResult();
        }

        public ConcurrentQueue<string> Shutdowns { get; } = [];

        /// <summary>How often it was asked whether it is up.</summary>
        public int Looks => Volatile.Read(ref looks);

        public Dictionary<string, string?> Environment => new()
        {
            ["Watchdog__SidecarUrl"] = app.Urls.Single(),
            ["Watchdog__AppReadyUrl"] = app.Urls.Single() + "/readyz",
            ["Watchdog__Patience"] = "00:00:01",
            ["DAPR_API_TOKEN"] = "the-token",
        };

        public ValueTask DisposeAsync() => app.DisposeAsync();
    }
}
