using PiiMasking.SqsComponent.Tests;
using PiiMasking.Testing;

[assembly: AssemblyFixture(typeof(SqsEmulatorFixture))]
[assembly: AssemblyFixture(typeof(SharedComponent))]

namespace PiiMasking.SqsComponent.Tests;

/// <summary>One component process for the tests that do not stop it; each takes an instance and queues of its own.</summary>
public sealed class SharedComponent : IAsyncLifetime
{
    internal ComponentProcess Component { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Component = await ComponentProcess.StartAsync();

    public ValueTask DisposeAsync() => Component.DisposeAsync();
}

/// <summary>What the contract tests have in common.</summary>
public abstract class ContractTest(SqsEmulatorFixture sqs, SharedComponent shared)
{
    private protected SqsEmulatorFixture Sqs => sqs;

    private protected ComponentProcess Component => shared.Component;

    private protected static CancellationToken Stopping => TestContext.Current.CancellationToken;

    /// <summary>Settings for the emulator, quick enough for tests; null removes one.</summary>
    private protected Dictionary<string, string> Settings(params (string Name, string? Value)[] changes)
    {
        var settings = new Dictionary<string, string>
        {
            ["consumerID"] = "tests",
            ["endpoint"] = sqs.Endpoint.ToString(),
            ["region"] = SqsEmulatorFixture.Region,
            ["accessKey"] = "test",
            ["secretKey"] = "test",
            ["waitTime"] = "1s",
            ["retryBackoffMin"] = "200ms",
            ["retryBackoffMax"] = "2s",
        };
        foreach (var (name, value) in changes)
        {
            if (value is null)
                settings.Remove(name);
            else
                settings[name] = value;
        }

        return settings;
    }

    private protected async Task<(string Name, string Url)> QueueAsync(Dictionary<string, string>? attributes = null)
    {
        var name = SqsEmulatorFixture.UniqueName();
        return (name, await sqs.CreateQueueAsync(attributes, name));
    }

    private protected Task HasDepthAsync(string url, int visible, int inFlight, TimeSpan? limit = null) =>
        Eventually.EqualsAsync("the queue's depth", new QueueDepth(visible, inFlight), () => sqs.DepthAsync(url), limit, Stopping);
}
