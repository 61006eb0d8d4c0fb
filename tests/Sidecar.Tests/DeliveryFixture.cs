namespace PiiMasking.Sidecar.Tests;

/// <summary>A component, a sidecar and an app with one subscription to topic "t", route "/in".</summary>
internal sealed class DeliveryFixture : IAsyncDisposable
{
    private readonly Setup setup;

    private DeliveryFixture(Setup setup, TestApp app, TestComponent component, RunningSidecar sidecar, PulledTopic stream)
    {
        this.setup = setup;
        App = app;
        Component = component;
        Sidecar = sidecar;
        Stream = stream;
    }

    public TestApp App { get; }

    public TestComponent Component { get; }

    public RunningSidecar Sidecar { get; }

    public PulledTopic Stream { get; }

    /// <param name="subscription">Further members of the subscription's JSON, each with a comma in front.</param>
    public static async Task<DeliveryFixture> StartAsync(
        CancellationToken stopping, string subscription = "", Action<Setup>? with = null, IReadOnlyList<string>? features = null,
        Action<TestComponent.Behaviour>? behave = null)
    {
        var app = await TestApp.StartAsync(stopping: stopping);
        app.Subscribes($$"""[{"pubsubname":"pubsub","topic":"t","route":"in"{{subscription}}}]""");
        var setup = new Setup().App(app).Pluggable();
        with?.Invoke(setup);
        var component = await TestComponent.StartAsync(setup.Sockets, features: features, behave: behave);
        var sidecar = await RunningSidecar.StartAsync(setup, stopping);
        Assert.Equal("/dapr/subscribe", (await app.NextAsync(stopping)).Target);
        var stream = await component.NextStreamAsync(stopping);
        return new DeliveryFixture(setup, app, component, sidecar, stream);
    }

    public async ValueTask DisposeAsync()
    {
        await Sidecar.DisposeAsync();
        await Component.DisposeAsync();
        await App.DisposeAsync();
        setup.Dispose();
    }
}
