using Amazon.Runtime;
using Amazon.SQS;
using Amazon.SQS.Model;
using PiiMasking.AppHost;
using PiiMasking.Backing;

namespace PiiMasking.EndToEnd.Tests.Storm;

/// <summary>Sends logins, straight to the queue, whatever happens to the rest.</summary>
internal sealed class Producer : IDisposable
{
    private const int BatchSize = 10;

    private static readonly TimeSpan AwayPause = TimeSpan.FromMilliseconds(100);

    private readonly AmazonSQSClient client;
    private readonly SentList sent;
    private string? url;

    public Producer(Uri queue, SentList sent)
    {
        this.sent = sent;
        // A repeated request could put a message there twice: what is not confirmed is given up instead.
        client = new AmazonSQSClient(
            new BasicAWSCredentials("local", "local"),
            new AmazonSQSConfig
            {
                ServiceURL = queue.ToString(),
                AuthenticationRegion = SqsEmulator.Region,
                MaxErrorRetry = 0,
                Timeout = TimeSpan.FromSeconds(10),
            });
    }

    /// <summary>Sends ten more.</summary>
    /// <returns>False if the queue did not confirm them.</returns>
    public async Task<bool> TrySendAsync(CancellationToken stopping)
    {
        var numbers = sent.Reserve(BatchSize);
        var now = TimeProvider.System.GetUtcNow();
        try
        {
            url ??= (await client.GetQueueUrlAsync(LoginQueue.Name, stopping)).QueueUrl;
            var entries = numbers.Select((number, index) => new SendMessageBatchRequestEntry($"{index}", sent.Body(number))).ToList();
            var answer = await client.SendMessageBatchAsync(url, entries, stopping);
            sent.Confirm(answer.Successful.Select(entry => new SentMessage(Guid.Parse(entry.MessageId), numbers[entry.Id[0] - '0'], now)));
            return true;
        }
        catch (Exception away) when (away is AmazonServiceException or HttpRequestException or IOException or TimeoutException
            || (away is OperationCanceledException && !stopping.IsCancellationRequested))
        {
            await Task.Delay(AwayPause, stopping);
            return false;
        }
    }

    /// <summary>Sends at a pace until so many are confirmed and nobody wants more.</summary>
    /// <param name="messages">At least so many.</param>
    /// <param name="within">Spread over this time.</param>
    /// <param name="goOn">Asked once so many are sent.</param>
    /// <param name="stopping">Ends it.</param>
    public async Task SendAsync(int messages, TimeSpan within, Func<bool> goOn, CancellationToken stopping)
    {
        var pause = within / Math.Max(1, messages / BatchSize);
        var time = TimeProvider.System;
        var started = time.GetTimestamp();
        for (var batch = 1; sent.Count < messages || goOn(); batch++)
        {
            await TrySendAsync(stopping);
            // What comes after the planned messages only keeps the stream from running dry.
            var early = sent.Count < messages ? (pause * batch) - time.GetElapsedTime(started) : TimeSpan.FromMilliseconds(200);
            if (early > TimeSpan.Zero)
                await Task.Delay(early, stopping);
        }
    }

    public void Dispose() => client.Dispose();
}
