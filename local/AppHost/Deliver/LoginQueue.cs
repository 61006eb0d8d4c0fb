using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using Amazon.Runtime;
using Amazon.SQS;
using Amazon.SQS.Model;
using PiiMasking.Backing;

namespace PiiMasking.AppHost;

/// <summary>The producers' side of <c>login-queue</c>, and its depth.</summary>
internal sealed class LoginQueue : IDisposable
{
    public const string Name = "login-queue";
    private const string DeadLetters = Name + "-dlq";

    // What SQS takes in one request, body and batch alike.
    private const int MostBytes = 1024 * 1024;
    private const int MostEntries = 10;
    private const int Senders = 4;

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(25);
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    private readonly AmazonSQSClient client;
    private string? url;
    private string? deadLettersUrl;

    public LoginQueue(Uri endpoint) => client = new AmazonSQSClient(
        new BasicAWSCredentials("local", "local"),
        new AmazonSQSConfig { ServiceURL = endpoint.ToString(), AuthenticationRegion = SqsEmulator.Region });

    /// <summary>Waits until the component has made the queue, which it does when somebody subscribes.</summary>
    /// <exception cref="BackingException">It does not.</exception>
    public async Task WaitUntilThereAsync(CancellationToken stopping)
    {
        for (var waited = Stopwatch.StartNew(); url is null; await Task.Delay(Interval, stopping))
        {
            url = await FindAsync(Name, stopping);
            if (url is null && waited.Elapsed > Limit)
                throw Missing();
        }
    }

    /// <summary>Sends bodies in batches as large as SQS allows, a few batches at once.</summary>
    /// <param name="bodies">The message bodies.</param>
    /// <param name="sent">Told the message ids of each batch, by several threads at once.</param>
    /// <param name="stopping">Ends it.</param>
    /// <exception cref="BackingException">The queue refuses one, or is not there.</exception>
    public async Task SendAsync(IAsyncEnumerable<string> bodies, Action<IReadOnlyList<Guid>> sent, CancellationToken stopping)
    {
        var queue = await UrlAsync(stopping);
        var options = new ParallelOptions { MaxDegreeOfParallelism = Senders, CancellationToken = stopping };
        await Parallel.ForEachAsync(
            BatchesAsync(bodies, stopping), options, async (batch, cancelled) => sent(await SendBatchAsync(queue, batch, cancelled)));
    }

    /// <summary>Sends one message whose producer is traced.</summary>
    /// <param name="body">The message.</param>
    /// <param name="traceParent">W3C trace context: the message attribute <c>traceparent</c>.</param>
    /// <param name="stopping">Ends it.</param>
    public async Task SendAsync(string body, string traceParent, CancellationToken stopping) =>
        await client.SendMessageAsync(
            new SendMessageRequest(await UrlAsync(stopping), body)
            {
                MessageAttributes = new() { ["traceparent"] = new() { DataType = "String", StringValue = traceParent } },
            },
            stopping);

    /// <returns>What waits, what is with the component, and what was given up.</returns>
    public async Task<LoginQueueDepth> DepthAsync(CancellationToken stopping)
    {
        var (visible, inFlight) = await DepthAsync(await UrlAsync(stopping), stopping);
        deadLettersUrl ??= await FindAsync(DeadLetters, stopping);
        var (dead, deadInFlight) = deadLettersUrl is null ? (0, 0) : await DepthAsync(deadLettersUrl, stopping);
        return new LoginQueueDepth(visible, inFlight, dead + deadInFlight);
    }

    public void Dispose() => client.Dispose();

    private static async IAsyncEnumerable<Batch> BatchesAsync(
        IAsyncEnumerable<string> bodies, [EnumeratorCancellation] CancellationToken stopping)
    {
        var batch = new Batch(0, []);
        var bytes = 0;
        await foreach (var body in bodies.WithCancellation(stopping))
        {
            var size = Encoding.UTF8.GetByteCount(body);
            if (batch.Bodies.Count == MostEntries || (batch.Bodies.Count > 0 && bytes + size > MostBytes))
            {
                yield return batch;
                batch = new Batch(batch.First + batch.Bodies.Count, []);
                bytes = 0;
            }

            batch.Bodies.Add(body);
            bytes += size;
        }

        if (batch.Bodies.Count > 0)
            yield return batch;
    }

    private async Task<IReadOnlyList<Guid>> SendBatchAsync(string queue, Batch batch, CancellationToken stopping)
    {
        var entries = batch.Bodies.Select((body, index) => new SendMessageBatchRequestEntry($"{index}", body)).ToList();
        try
        {
            var answer = await client.SendMessageBatchAsync(queue, entries, stopping);
            if (answer.Failed is [var refused, ..])
                throw Refused(batch.First + int.Parse(refused.Id, CultureInfo.InvariantCulture), refused.Message);
            return [.. answer.Successful.Select(sent => Guid.Parse(sent.MessageId))];
        }
        catch (AmazonSQSException error)
        {
            throw batch.Bodies.Count == 1
                ? Refused(batch.First, error.Message)
                : new BackingException(
                    $"The queue refuses one of the messages {batch.First + 1} to {batch.First + batch.Bodies.Count}: {error.Message}", error);
        }
    }

    private static BackingException Refused(int position, string reason) => new($"The queue refuses message {position + 1}: {reason}");

    private async Task<string> UrlAsync(CancellationToken stopping) => url ??= await FindAsync(Name, stopping) ?? throw Missing();

    private static BackingException Missing() =>
        new($"There is no queue {Name}, and the component did not make it: see createQueues in components/local/logins.yaml.");

    private async Task<string?> FindAsync(string name, CancellationToken stopping)
    {
        try
        {
            return (await client.GetQueueUrlAsync(name, stopping)).QueueUrl;
        }
        catch (QueueDoesNotExistException)
        {
            return null;
        }
    }

    private async Task<(int Visible, int InFlight)> DepthAsync(string queue, CancellationToken stopping)
    {
        var answer = await client.GetQueueAttributesAsync(
            queue, [QueueAttributeName.ApproximateNumberOfMessages, QueueAttributeName.ApproximateNumberOfMessagesNotVisible], stopping);
        return (answer.ApproximateNumberOfMessages, answer.ApproximateNumberOfMessagesNotVisible);
    }

    /// <param name="First">Position of the first body among all, from 0.</param>
    /// <param name="Bodies">At most ten, at most 1 MiB.</param>
    private sealed record Batch(int First, List<string> Bodies);
}

/// <summary>What is in the queue and its dead-letter queue.</summary>
/// <param name="Waiting">Not received yet.</param>
/// <param name="InWork">Received, not acknowledged yet.</param>
/// <param name="Dead">In the dead-letter queue.</param>
internal readonly record struct LoginQueueDepth(int Waiting, int InWork, int Dead)
{
    public bool IsEmpty => this is (0, 0, 0);
}
