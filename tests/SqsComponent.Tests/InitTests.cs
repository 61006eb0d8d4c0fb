using Grpc.Core;
using PiiMasking.SqsComponent.Protos;
using PiiMasking.Testing;

namespace PiiMasking.SqsComponent.Tests;

/// <summary>What a sidecar is told at its start.</summary>
public sealed class InitTests(SqsEmulatorFixture sqs, SharedComponent shared) : ContractTest(sqs, shared)
{
    [Fact]
    public async Task It_offers_bulk_publishing_and_asks_that_batches_are_not_waited_for()
    {
        var features = await Component.Client.FeaturesAsync(new FeaturesRequest(), cancellationToken: Stopping);

        Assert.Equal(["BULK_PUBSUB", "BULK_SUBSCRIBE_IMMEDIATE"], features.Features);
        await Component.Client.PingAsync(new PingRequest(), cancellationToken: Stopping);
    }

    [Fact]
    public async Task A_misspelt_entry_fails_by_name()
    {
        var error = await FailsAsync(Settings(("batchsise", "10")));

        Assert.Contains("'batchsise'", error, StringComparison.Ordinal);
        Assert.Contains("did you mean 'batchSize'", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_the_sidecar_adds_is_accepted() =>
        await Component.InitAsync(Settings(
            ("consumerID", "app"), ("allowedTopics", "a,b"), ("protectedTopics", ""),
            ("publishingScopes", "app=a"), ("subscriptionScopes", "")));

    [Fact]
    public async Task A_queue_that_cannot_be_reached_fails_with_its_address_within_daprs_five_seconds()
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(5));

        var error = await FailsAsync(Settings(("endpoint", "http://127.0.0.1:1")));

        Assert.Contains("http://127.0.0.1:1", error, StringComparison.Ordinal);
        Assert.Contains("endpoint", error, StringComparison.Ordinal);
        Assert.False(deadline.IsCancellationRequested);
    }

    [Fact]
    public async Task An_address_of_something_else_fails()
    {
        var error = await FailsAsync(Settings(("endpoint", Component.Admin.ToString())));

        Assert.Contains("not SQS", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_failed_start_is_in_the_log_of_the_component_and_quotes_no_value()
    {
        await FailsAsync(Settings(("batchSize", "secret-in-the-wrong-place")));

        await Eventually.HoldsAsync(
            "the log says it",
            () => Component.LogText.Contains("'batchSize': must be a whole number", StringComparison.Ordinal),
            stopping: Stopping);
        Assert.DoesNotContain("secret-in-the-wrong-place", Component.LogText, StringComparison.Ordinal);
    }

    private async Task<string> FailsAsync(Dictionary<string, string> settings)
    {
        var error = await Assert.ThrowsAsync<RpcException>(() => Component.InitAsync(settings));
        Assert.Equal(StatusCode.InvalidArgument, error.StatusCode);
        return error.Status.Detail;
    }
}
