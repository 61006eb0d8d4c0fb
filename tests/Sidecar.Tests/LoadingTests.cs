namespace PiiMasking.Sidecar.Tests;

/// <summary>dapr-contract E1, E3, I, I1.</summary>
public sealed class LoadingTests
{
    private readonly CancellationToken stopping = TestContext.Current.CancellationToken;

    [Fact]
    public async Task Init_gets_every_property_with_secrets_environment_and_templates_filled_in()
    {
        Environment.SetEnvironmentVariable("SIDECARTEST_VALUE", "from-env");
        using var setup = new Setup().Secrets("""{"aws":"key","outer":{"inner":"x"}}""").Resource("""
            apiVersion: dapr.io/v1alpha1
            kind: Component
            metadata: { name: pubsub }
            spec:
              type: PubSub.Test
              metadata:
                - { name: text, value: plain }
                - { name: number, value: 5 }
                - { name: switch, value: true }
                - { name: byName, secretKeyRef: { name: aws } }
                - { name: byKey, secretKeyRef: { name: outer:inner, key: outer:inner } }
                - { name: missing, secretKeyRef: { name: nothing, key: nothing } }
                - { name: env, envRef: SIDECARTEST_VALUE }
                - { name: both, value: given, envRef: SIDECARTEST_VALUE }
                - { name: token, envRef: DAPR_API_TOKEN }
                - { name: who, value: "{appID}" }
                - { name: ids, value: "{uuid} {uuid}" }
                - { name: publishingScopes, value: app=t }
            auth: { secretStore: secrets }
            scopes: [app, other]
            """, file: "a-before-its-store");
        await using var component = await TestComponent.StartAsync(setup.Sockets);
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);

        var properties = component.Inits["pubsub"];
        Assert.Equal(("plain", "5", "true"), (properties["text"], properties["number"], properties["switch"]));
        Assert.Equal(("key", "x", ""), (properties["byName"], properties["byKey"], properties["missing"]));
        Assert.Equal(("from-env", "given", ""), (properties["env"], properties["both"], properties["token"]));
        Assert.Equal(("app", "app", "app=t"), (properties["who"], properties["consumerID"], properties["publishingScopes"]));
        Assert.Equal(2, properties["ids"].Split(' ').Distinct().Count(id => Guid.TryParse(id, out _)));
    }

    [Fact]
    public async Task A_namespace_in_the_metadata_prefixes_the_topics_towards_the_component()
    {
        await using var app = await TestApp.StartAsync(stopping: stopping);
        app.Subscribes("""[{"pubsubname":"pubsub","topic":"t","route":"in","metadata":{"rawPayload":"true"}}]""");
        using var setup = new Setup().App(app).Environment("NAMESPACE", "ns")
            .Pluggable(metadata: "[{ name: consumerID, value: '{namespace}' }]");
        await using var component = await TestComponent.StartAsync(setup.Sockets);
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);
        await app.NextAsync(stopping);
        var stream = await component.NextStreamAsync(stopping);

        await stream.SendAsync("x");
        using var published = await sidecar.Http.PostAsync("/v1.0/publish/pubsub/t", new StringContent("x"), stopping);

        Assert.Equal(("ns.app", "nst"), (component.Inits["pubsub"]["consumerID"], stream.Name));
        Assert.Equal("t", (await app.NextAsync(stopping)).Json.GetProperty("topic").GetString());
        Assert.Equal("nst", (await component.Published.Reader.ReadAsync(stopping)).Topic);
    }

    [Fact]
    public async Task One_process_serves_several_components_and_several_sockets_are_found()
    {
        using var setup = new Setup().Pluggable("one").Pluggable("two").Pluggable("three", "pubsub.second");
        await File.WriteAllTextAsync(Path.Combine(setup.Sockets, "not-a-socket.sock"), "x", stopping);
        await using var first = await TestComponent.StartAsync(setup.Sockets);
        await using var second = await TestComponent.StartAsync(setup.Sockets, "second");
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);

        Assert.Equal(["one", "two"], first.Inits.Keys.Order());
        Assert.Equal(["three"], second.Inits.Keys);
    }

    [Fact]
    public async Task What_is_not_for_this_app_or_not_Daprs_is_skipped()
    {
        using var setup = new Setup().InMemory()
            .Resource("""
                apiVersion: dapr.io/v1alpha1
                kind: Component
                metadata: { name: x }
                spec: { type: pubsub.unheard-of }
                scopes: [other]
                """)
            .Resource("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a]")
            .Resource("apiVersion: dapr.io/v2\nkind: Component\nmetadata: { name: y }\nspec: { type: pubsub.unheard-of }")
            .Resource("apiVersion: dapr.io/v1alpha1\nkind: Resiliency\nmetadata: { name: r }\nspec: {}")
            .Resource("this: [is not\nyaml: }")
            .Resource("# only a comment\n---\n");
        Directory.CreateDirectory(setup["resources/deeper.yaml"]);
        await File.WriteAllTextAsync(setup["resources/notes.txt"], "x", stopping);
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);

        var metadata = await sidecar.Http.GetStringAsync("/v1.0/metadata", stopping);
        Assert.Contains("""[{"name":"pubsub","type":"pubsub.in-memory","version":"v1"}]""", metadata, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_component_whose_store_never_comes_stays_away()
    {
        using var setup = new Setup().Resource("""
            apiVersion: dapr.io/v1alpha1
            kind: Component
            metadata: { name: pubsub }
            spec: { type: pubsub.in-memory, metadata: [{ name: a, secretKeyRef: { name: b } }] }
            auth: { secretStore: nowhere }
            """);
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);

        using var response = await sidecar.Http.PostAsync("/v1.0/publish/pubsub/t", new StringContent("x"), stopping);

        Assert.Equal(404, (int)response.StatusCode);
    }

    [Theory]
    [InlineData("pubsub.unheard-of", "v1", "couldn't find message bus pubsub.unheard-of/v1")]
    [InlineData("pubsub.in-memory", "v2", "pubsub.in-memory/v2")]
    [InlineData("state.redis", "v1", "state.redis/v1 is not supported")]
    [InlineData("secretstores.azure.keyvault", "v1", "secretstores.azure.keyvault/v1 is not supported")]
    [InlineData("secretstores.local.file", "v1", "set secretsFile")]
    public async Task A_component_that_cannot_be_had_is_refused_by_name(string type, string version, string named)
    {
        using var setup = new Setup().Resource(
            $"apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {{ name: mine }}\nspec: {{ type: {type}, version: {version} }}");

        var refused = await Assert.ThrowsAsync<StartupException>(() => RunningSidecar.StartAsync(setup, stopping));

        Assert.Contains("'mine'", refused.Message, StringComparison.Ordinal);
        Assert.Contains(named, refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("pubsub.unheard-of")]
    [InlineData("state.redis")]
    public async Task Unless_it_says_that_errors_are_to_be_ignored(string type)
    {
        using var setup = new Setup().Resource($$"""
            apiVersion: dapr.io/v1alpha1
            kind: Component
            metadata: { name: mine }
            spec: { type: {{type}}, version: v1, ignoreErrors: true }
            """);
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);

        Assert.DoesNotContain("mine", await sidecar.Http.GetStringAsync("/v1.0/metadata", stopping), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_name_may_be_used_once()
    {
        using var setup = new Setup().InMemory().InMemory();

        var refused = await Assert.ThrowsAsync<StartupException>(() => RunningSidecar.StartAsync(setup, stopping));

        Assert.Contains("pubsub", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_Init_says_is_what_the_user_reads()
    {
        using var setup = new Setup().Pluggable();
        await using var component = await TestComponent.StartAsync(
            setup.Sockets, behave: behaviour => behaviour.InitError = "region is missing");

        var refused = await Assert.ThrowsAsync<StartupException>(() => RunningSidecar.StartAsync(setup, stopping));

        Assert.Equal("component 'pubsub' (pubsub.test/v1) did not start: region is missing", refused.Message);
    }

    [Fact]
    public async Task An_Init_that_takes_longer_than_its_timeout_fails()
    {
        using var setup = new Setup().Pluggable(more: ", initTimeout: 200ms");
        await using var component = await TestComponent.StartAsync(
            setup.Sockets, behave: behaviour => behaviour.InitDelay = TimeSpan.FromSeconds(30));

        var refused = await Assert.ThrowsAsync<StartupException>(() => RunningSidecar.StartAsync(setup, stopping));

        Assert.Contains("init timeout exceeded after 0.2s", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_socket_that_nobody_serves_is_an_error_and_no_hang()
    {
        using var setup = new Setup().Pluggable();
        using (var stale = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, 0))
            stale.Bind(new System.Net.Sockets.UnixDomainSocketEndPoint(Path.Combine(setup.Sockets, "test.sock")));

        var refused = await Assert.ThrowsAsync<StartupException>(() => RunningSidecar.StartAsync(setup, stopping));

        Assert.Contains("couldn't find message bus pubsub.test/v1", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{ nameResolution: { component: consul } }", "consul")]
    [InlineData("{ nameResolution: { component: nameformat, configuration: { format: x } } }", "{appid}")]
    [InlineData("{ accessControl: { policies: [{ appId: a, trustDomain: public }] } }", "namespace")]
    public async Task A_configuration_that_cannot_be_followed_is_refused_by_name(string spec, string named)
    {
        using var setup = new Setup().Configuration(spec);

        var refused = await Assert.ThrowsAsync<StartupException>(() => RunningSidecar.StartAsync(setup, stopping));

        Assert.Contains(named, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Configurations_overlay_each_other_and_take_variables_from_the_environment()
    {
        Environment.SetEnvironmentVariable("SIDECARTEST_ACCESS", "deny");
        using var setup = new Setup().Secrets("""{"a":"1"}""")
            .Configuration("{ tracing: { samplingRate: '1' }, secrets: { scopes: [{ storeName: secrets, defaultAccess: allow }] } }")
            .Configuration("{ secrets: { scopes: [{ storeName: secrets, defaultAccess: $SIDECARTEST_ACCESS }] } }");
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);

        using var response = await sidecar.Http.GetAsync("/v1.0/secrets/secrets/a", stopping);

        Assert.Equal(403, (int)response.StatusCode);
    }
}
