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

    /// <summary>Sends bodies in batches as large as SQS allows.</summary>
    /// <returns>Message ids, batch after batch.</returns>
    /// <exception cref="BackingException">The queue refuses one, or is not there.</exception>
    public async IAsyncEnumerable<IReadOnlyList<Guid>> SendAsync(
        IAsyncEnumerable<string> bodies, [EnumeratorCancellation] CancellationToken stopping)
    {
        var queue = await UrlAsync(stopping);
        var batch = new List<string>();
        var (bytes, position) = (0, 0);
        await foreach (var body in bodies.WithCancellation(stopping))
        {
            var size = Encoding.UTF8.GetByteCount(body);
            if (batch.Count == MostEntries || (batch.Count > 0 && bytes + size > MostBytes))
            {
                yield return await SendBatchAsync(queue, batch, position, stopping);
                position += batch.Count;
                batch.Clear();
                bytes = 0;
            }

            batch.Add(body);
            bytes += size;
        }

        if (batch.Count > 0)
            yield return await SendBatchAsync(queue, batch, position, stopping);
    }

    /// <returns>What waits, what is with the component, and what was given up.</returns>
    public async Task<LoginQueueDepth> DepthAsync(CancellationToken stopping)
    {
        var (visible, inFlight) = await DepthAsync(await UrlAsync(stopping), stopping);
        deadLettersUrl ??= await FindAsync(DeadLetters, stopping);
        var (dead, deadInFlight) = deadLettersUrl is null ? (0, 0) : await DepthAsync(deadLettersUrl, stopping);
        return new LoginQueueDepth(visible, inFlight, dead + deadInFlight);
    }

    public void Dispose() => client.Dispose();

    private async Task<IReadOnlyList<Guid>> SendBatchAsync(string queue, List<string> batch, int position, CancellationToken stopping)
    {
        var entries = batch.Select((body, index) => new SendMessageBatchRequestEntry($"{index}", body)).ToList();
        try
        {
            var answer = await client.SendMessageBatchAsync(queue, entries, stopping);
            if (answer.Failed is [var refused, ..])
                throw Refused(position + int.Parse(refused.Id, CultureInfo.InvariantCulture), refused.Message);
            return [.. answer.Successful.Select(sent => Guid.Parse(sent.MessageId))];
        }
        catch (AmazonSQSException error)
        {
            throw batch.Count == 1
                ? Refused(position, error.Message)
                : new BackingException($"The queue refuses one of the messages {position + 1} to {position + batch.Count}: {error.Message}", error);
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
}

/// <summary>What is in the queue and its dead-letter queue.</summary>
/// <param name="Waiting">Not received yet.</param>
/// <param name="InWork">Received, not acknowledged yet.</param>
/// <param name="Dead">In the dead-letter queue.</param>
internal readonly record struct LoginQueueDepth(int Waiting, int InWork, int Dead)
{
    public bool IsEmpty => this is (0, 0, 0);
}
