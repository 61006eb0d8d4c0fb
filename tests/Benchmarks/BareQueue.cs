using System.Diagnostics;
using System.Text;
using Amazon.Runtime;
using Amazon.SQS;
using Amazon.SQS.Model;
using Npgsql;
using PiiMasking.AppHost;
using PiiMasking.Backing;
using PiiMasking.Contracts;
using PiiMasking.Logins;

namespace PiiMasking.Benchmarks;

/// <summary>A queue beside <c>login-queue</c> in a system's emulator, worked on by this process and its own SQS client, without any service.</summary>
internal sealed class BareQueue : IDisposable
{
    /// <summary>Receive requests at a time: the component's own default.</summary>
    private const int Receivers = 8;

    private const int MostMessages = 10;

    private readonly AmazonSQSClient client;
    private string? url;

    public BareQueue(LocalSystem system)
    {
        client = new AmazonSQSClient(
            new BasicAWSCredentials("local", "local"),
            new AmazonSQSConfig { ServiceURL = system.QueueEndpoint.ToString(), AuthenticationRegion = SqsEmulator.Region });
    }

    /// <summary>Puts logins on the queue.</summary>
    public async Task FillAsync(int count, CancellationToken stopping)
    {
        var queue = await UrlAsync(stopping);
        var options = new ParallelOptions { MaxDegreeOfParallelism = Receivers, CancellationToken = stopping };
        var batches = Enumerable.Range(0, count).Select(_ => SomeLogins.Body()).Chunk(MostMessages);
        await Parallel.ForEachAsync(batches, options, async (batch, cancelled) => await client.SendMessageBatchAsync(
            queue, [.. batch.Select((body, index) => new SendMessageBatchRequestEntry($"{index}", body))], cancelled));
    }

    /// <summary>Receives and deletes what is on the queue, and does nothing with it: the emulator's own limit.</summary>
    /// <returns>Messages a second.</returns>
    public async Task<double> DrainAsync(int count, CancellationToken stopping)
    {
        var queue = await UrlAsync(stopping);
        var left = count;
        var took = Stopwatch.StartNew();
        await Task.WhenAll(Enumerable.Range(0, Receivers).Select(async _ =>
        {
            while (Volatile.Read(ref left) > 0)
            {
                var messages = await ReceiveAsync(queue, stopping);
                if (messages.Count == 0)
                    continue;
                await client.DeleteMessageBatchAsync(
                    queue,
                    [.. messages.Select((message, index) => new DeleteMessageBatchRequestEntry($"{index}", message.ReceiptHandle))],
                    stopping);
                Interlocked.Add(ref left, -messages.Count);
            }
        }));
        return count / took.Elapsed.TotalSeconds;
    }

    /// <summary>
    /// As it is done by a script: receive ten, and for each of them mask, insert and commit, and delete. One after the other.
    /// </summary>
    /// <returns>Messages a second.</returns>
    public async Task<double> LoopAsync(int count, BareTable table, CancellationToken stopping)
    {
        var queue = await UrlAsync(stopping);
        var left = count;
        var took = Stopwatch.StartNew();
        await using var connection = await table.Owner.OpenConnectionAsync(stopping);
        while (left > 0)
        {
            foreach (var message in await ReceiveAsync(queue, stopping))
            {
                var outcome = LoginParser.Parse(Encoding.UTF8.GetBytes(message.Body));
                if (outcome is not ParseOutcome.Accepted { Login: { } login })
                    throw new InvalidOperationException("A login of ours is none.");
                var sentAt = DateTimeOffset.FromUnixTimeMilliseconds(
                    long.Parse(message.Attributes["SentTimestamp"], System.Globalization.CultureInfo.InvariantCulture));
                await InsertAsync(connection, table.Mask(new LoginMessage(Guid.Parse(message.MessageId), sentAt, login, null)), stopping);
                await client.DeleteMessageAsync(queue, message.ReceiptHandle, stopping);
                left--;
            }
        }

        return count / took.Elapsed.TotalSeconds;
    }

    public void Dispose() => client.Dispose();

    private static async Task InsertAsync(NpgsqlConnection connection, MaskedRow row, CancellationToken stopping)
    {
        var (message, login) = (row.Message, row.Message.Login!);
        await using var insert = new NpgsqlCommand(
            """
            INSERT INTO user_logins (create_date, message_id, user_id, device_type, masked_ip, masked_device_id, locale, app_version)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING
            """,
            connection)
        {
            Parameters =
            {
                new() { Value = DateOnly.FromDateTime(message.SentAt!.Value.UtcDateTime) },
                new() { Value = message.MessageId },
                new() { Value = login.UserId },
                new() { Value = (object?)login.DeviceType ?? DBNull.Value },
                new() { Value = row.MaskedIp },
                new() { Value = row.MaskedDeviceId },
                new() { Value = (object?)login.Locale ?? DBNull.Value },
                new() { Value = (object?)login.AppVersion ?? DBNull.Value },
            },
        };
        await insert.ExecuteNonQueryAsync(stopping);
    }

    private async Task<List<Message>> ReceiveAsync(string queue, CancellationToken stopping)
    {
        var answer = await client.ReceiveMessageAsync(
            new ReceiveMessageRequest(queue)
            {
                MaxNumberOfMessages = MostMessages,
                MessageSystemAttributeNames = ["SentTimestamp", "ApproximateReceiveCount"],
            },
            stopping);
        return answer.Messages ?? [];
    }

    private async Task<string> UrlAsync(CancellationToken stopping) =>
        url ??= (await client.CreateQueueAsync("bare-queue", stopping)).QueueUrl;
}
