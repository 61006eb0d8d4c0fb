using Amazon.Runtime;
using Amazon.SQS;
using Amazon.SQS.Model;
using PiiMasking.Backing;
using Xunit;

namespace PiiMasking.Testing;

/// <summary>One SQS emulator for the tests that share it; each takes queues of its own.</summary>
public sealed class SqsEmulatorFixture : IAsyncLifetime
{
    private readonly ScratchFolder scratch = new();
    private SqsEmulator? emulator;
    private AmazonSQSClient? client;

    /// <summary>Where clients send their requests.</summary>
    public Uri Endpoint => Emulator.Endpoint;

    /// <summary>The region that the queues are in.</summary>
    public static string Region => SqsEmulator.Region;

    /// <summary>A client with any credentials, which will do.</summary>
    public IAmazonSQS Client => client ?? throw new InvalidOperationException("The fixture has not been initialised.");

    /// <summary>The emulator itself, for tests that stop it. Give such a test an emulator of its own.</summary>
    public SqsEmulator Emulator => emulator ?? throw new InvalidOperationException("The fixture has not been initialised.");

    /// <returns>A name that no other test uses.</returns>
    public static string UniqueName(string prefix = "queue") => $"{prefix}-{Guid.NewGuid():n}";

    /// <param name="attributes">Attributes as of CreateQueue, such as <c>VisibilityTimeout</c>.</param>
    /// <param name="name">A unique one if null.</param>
    /// <returns>The new queue's URL (use it with <see cref="Client"/> only: its host name does not resolve).</returns>
    public async Task<string> CreateQueueAsync(Dictionary<string, string>? attributes = null, string? name = null) =>
        (await Client.CreateQueueAsync(new CreateQueueRequest { QueueName = name ?? UniqueName(), Attributes = attributes })).QueueUrl;

    /// <summary>Sends bodies in batches of ten.</summary>
    /// <returns>Their message ids, in the order of the bodies.</returns>
    public async Task<IReadOnlyList<string>> SendAsync(string queueUrl, IEnumerable<string> bodies)
    {
        var ids = new List<string>();
        foreach (var batch in bodies.Chunk(10))
        {
            var entries = batch.Select((body, index) => new SendMessageBatchRequestEntry($"{index}", body)).ToList();
            var answer = await Client.SendMessageBatchAsync(queueUrl, entries);
            if (answer.Failed is { Count: > 0 } failed)
                throw new InvalidOperationException($"The emulator refused {failed.Count} messages: {failed[0].Message}");
            ids.AddRange(answer.Successful.OrderBy(entry => entry.Id, StringComparer.Ordinal).Select(entry => entry.MessageId));
        }

        return ids;
    }

    /// <returns>How many messages are to be had, and how many are with a consumer.</returns>
    public async Task<QueueDepth> DepthAsync(string queueUrl)
    {
        var answer = await Client.GetQueueAttributesAsync(
            queueUrl, [QueueAttributeName.ApproximateNumberOfMessages, QueueAttributeName.ApproximateNumberOfMessagesNotVisible]);
        return new QueueDepth(answer.ApproximateNumberOfMessages, answer.ApproximateNumberOfMessagesNotVisible);
    }

    /// <inheritdoc />
    public async ValueTask InitializeAsync()
    {
        emulator = await SqsEmulator.StartAsync(await LocalPackages.EnsureAsync(), scratch["sqs.log"]);
        client = new AmazonSQSClient(
            new BasicAWSCredentials("test", "test"),
            new AmazonSQSConfig { ServiceURL = emulator.Endpoint.ToString(), AuthenticationRegion = SqsEmulator.Region });
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        client?.Dispose();
        if (emulator is not null)
            await emulator.DisposeAsync();
        scratch.Dispose();
    }
}

/// <summary>What is in a queue.</summary>
/// <param name="Visible">To be had.</param>
/// <param name="InFlight">Received, not deleted, and not visible again yet.</param>
public sealed record QueueDepth(int Visible, int InFlight)
{
    /// <summary>Nothing left of either kind.</summary>
    public static QueueDepth Empty { get; } = new(0, 0);
}
