using Microsoft.AspNetCore.Http;

namespace PiiMasking.Sidecar.Tests;

/// <summary>dapr-contract A1, A3, E3, H1.</summary>
public sealed class SubscribingTests
{
    private readonly CancellationToken stopping = TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_app_is_asked_with_its_id_and_token_and_its_metadata_reaches_the_component()
    {
        await using var app = await TestApp.StartAsync(stopping: stopping);
        app.Subscribes("""[{"pubsubName":"pubsub","TOPIC":"t","Route":"in","metadata":{"rawPayload":"true","queue":"q"}}]""");
        using var setup = new Setup().App(app).Environment("APP_API_TOKEN", "secret-token").Pluggable();
        await using var component = await TestComponent.StartAsync(setup.Sockets);
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);

        var asked = await app.NextAsync(stopping);
        var stream = await component.NextStreamAsync(stopping);

        Assert.Equal(("GET", "/dapr/subscribe"), (asked.Method, asked.Target));
        Assert.Equal("app", asked.Headers["dapr-app-id"]);
        Assert.Equal("application/json", asked.Headers["Content-Type"]);
        Assert.Equal("secret-token", asked.Headers["dapr-api-token"]);
        Assert.Equal(("t", "pubsub"), (stream.Name, stream.Instance));
        Assert.Equal("true", stream.Metadata["rawPayload"]);
        Assert.Equal("q", stream.Metadata["queue"]);
    }

    [Theory]
    [InlineData(404, "")]
    [InlineData(500, "[]")]
    [InlineData(200, "")]
    [InlineData(200, "{not json")]
    public async Task Any_other_answer_leaves_the_declarative_subscriptions(int status, string body)
    {
        await using var app = await TestApp.StartAsync(stopping: stopping);
        app.On("/dapr/subscribe", status, body);
        using var setup = new Setup().App(app).Pluggable().Resource(Declarative("t", "/in"));
        await using var component = await TestComponent.StartAsync(setup.Sockets);
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);

        Assert.Equal("t", (await component.NextStreamAsync(stopping)).Name);
    }

    [Fact]
    public async Task An_app_that_breaks_the_connection_is_asked_three_times_more_and_then_nothing_starts()
    {
        await using var app = await TestApp.StartAsync(stopping: stopping);
        app.On("/dapr/subscribe", context =>
        {
            context.Abort();
            return Task.CompletedTask;
        });
        using var setup = new Setup().App(app).Pluggable().Resource(Declarative("t", "/in"));
        await using var component = await TestComponent.StartAsync(setup.Sockets);
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);

        for (var i = 0; i < 4; i++)
            Assert.Equal("/dapr/subscribe", (await app.NextAsync(stopping)).Target);
        await sidecar.StopAsync();

        Assert.False(app.HasMore);
        Assert.False(component.HasMoreStreams);
    }

    [Fact]
    public async Task The_app_is_not_asked_if_there_is_no_pub_sub_component()
    {
        await using var app = await TestApp.StartAsync(stopping: stopping);
        using var setup = new Setup().App(app);
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);
        await Ready(sidecar);
        await sidecar.StopAsync();

        Assert.False(app.HasMore);
    }

    [Theory]
    [InlineData("{ default: in }", "v2alpha1")]
    [InlineData("{ default: /in, rules: [] }", "v2alpha1")]
    [InlineData("{ rules: [{ path: /in }] }", "v2alpha1")]
    public async Task A_declarative_subscription_routes_with_or_without_a_slash(string routes, string version)
    {
        await using var app = await TestApp.StartAsync(stopping: stopping);
        using var setup = new Setup().App(app).Pluggable().Resource($$"""
            apiVersion: dapr.io/{{version}}
            kind: Subscription
            metadata: { name: s }
            spec: { pubsubname: pubsub, topic: t, routes: {{routes}}, metadata: { rawPayload: "true" } }
            """);
        await using var component = await TestComponent.StartAsync(setup.Sockets);
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);
        Assert.Equal("/dapr/subscribe", (await app.NextAsync(stopping)).Target);
        var stream = await component.NextStreamAsync(stopping);

        await stream.SendAsync("x");

        Assert.Equal("/in", (await app.NextAsync(stopping)).Target);
    }

    [Fact]
    public async Task The_old_form_has_one_route_and_scopes_keep_others_out()
    {
        await using var app = await TestApp.StartAsync(stopping: stopping);
        using var setup = new Setup().App(app).Pluggable()
            .Resource(Declarative("other", "/in") + "\nscopes: [someone-else]")
            .Resource("""
                apiVersion: dapr.io/v1alpha1
                kind: Subscription
                metadata: { name: s }
                spec: { pubsubname: pubsub, topic: t, route: /in }
                scopes: [app]
                """);
        await using var component = await TestComponent.StartAsync(setup.Sockets);
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);

        Assert.Equal("t", (await component.NextStreamAsync(stopping)).Name);
        await sidecar.StopAsync();
        Assert.False(component.HasMoreStreams);
    }

    [Fact]
    public async Task One_subscription_runs_for_a_topic_and_the_metadata_shows_it()
    {
        await using var app = await TestApp.StartAsync(stopping: stopping);
        app.Subscribes("""
            [{"pubsubname":"pubsub","topic":"t","route":"a"},{"pubsubname":"pubsub","topic":"t","route":"b"},
             {"pubsubname":"pubsub","topic":"without-route"}]
            """);
        using var setup = new Setup().App(app).Pluggable().Resource(Declarative("t", "/declared"));
        await using var component = await TestComponent.StartAsync(setup.Sockets);
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);
        await component.NextStreamAsync(stopping);

        var metadata = await sidecar.Http.GetStringAsync("/v1.0/metadata", stopping);
        await sidecar.StopAsync();

        Assert.Contains(
            """[{"pubsubname":"pubsub","topic":"t","rules":[{"path":"b"}],"deadLetterTopic":"","type":"PROGRAMMATIC"}]""",
            metadata, StringComparison.Ordinal);
        Assert.False(component.HasMoreStreams);
    }

    [Fact]
    public async Task A_routing_rule_that_looks_at_the_event_is_refused_by_name()
    {
        using var setup = new Setup().InMemory().Resource("""
            apiVersion: dapr.io/v2alpha1
            kind: Subscription
            metadata: { name: s }
            spec:
              pubsubname: pubsub
              topic: t
              routes: { default: /a, rules: [{ match: event.type == "x", path: /b }] }
            """);

        var refused = await Assert.ThrowsAsync<StartupException>(() => RunningSidecar.StartAsync(setup, stopping));

        Assert.Contains("match", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_topic_that_the_scopes_forbid_is_not_subscribed_to()
    {
        await using var app = await TestApp.StartAsync(stopping: stopping);
        app.Subscribes("""[{"pubsubname":"pubsub","topic":"no","route":"a"},{"pubsubname":"pubsub","topic":"yes","route":"a"}]""");
        using var setup = new Setup().App(app).Pluggable(metadata: "[{ name: subscriptionScopes, value: app=yes }]");
        await using var component = await TestComponent.StartAsync(setup.Sockets);
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);

        Assert.Equal("yes", (await component.NextStreamAsync(stopping)).Name);
        await sidecar.StopAsync();
        Assert.False(component.HasMoreStreams);
    }

    [Fact]
    public async Task With_health_checks_subscriptions_follow_the_apps_health()
    {
        var isWell = false;
        await using var app = await TestApp.StartAsync(stopping: stopping);
        app.On("/well", context =>
        {
            context.Response.StatusCode = Volatile.Read(ref isWell) ? 204 : 503;
            return Task.CompletedTask;
        });
        app.Subscribes("""[{"pubsubname":"pubsub","topic":"t","route":"in"}]""");
        using var setup = new Setup().App(app).Pluggable().Flag("enable-app-health-check").Flag("app-health-check-path", "well")
            .Flag("app-health-probe-interval", 1).Flag("app-health-threshold", 1).Environment("APP_API_TOKEN", "secret-token");
        await using var component = await TestComponent.StartAsync(setup.Sockets);
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);
        // Ready as soon as the app's port is there; subscriptions wait for its health.
        await Ready(sidecar);
        var probe = await app.NextAsync(stopping);
        Assert.Equal("/well", probe.Target);
        Assert.DoesNotContain("dapr-api-token", probe.Headers.Keys);
        Assert.False(component.HasMoreStreams);

        Volatile.Write(ref isWell, true);
        var first = await component.NextStreamAsync(stopping);
        Volatile.Write(ref isWell, false);
        await first.Ended.Task.WaitAsync(stopping);
        using (var refused = await sidecar.Http.GetAsync("/v1.0/invoke/app/method/x", stopping))
        {
            Assert.Equal(500, (int)refused.StatusCode);
            Assert.Contains("app is not in a healthy state", await refused.Content.ReadAsStringAsync(stopping), StringComparison.Ordinal);
        }

        Volatile.Write(ref isWell, true);
        await component.NextStreamAsync(stopping);

        Assert.Equal(0, component.Pauses);
    }

    private static string Declarative(string topic, string route) => $$"""
        apiVersion: dapr.io/v2alpha1
        kind: Subscription
        metadata: { name: declared-{{topic}} }
        spec: { pubsubname: pubsub, topic: {{topic}}, routes: { default: {{route}} } }
        """;

    private Task Ready(RunningSidecar sidecar) => Testing.Eventually.HoldsAsync("the sidecar is ready", async () =>
    {
        using var response = await sidecar.Http.GetAsync("/v1.0/healthz", stopping);
        return response.IsSuccessStatusCode;
    }, stopping: stopping);
}
