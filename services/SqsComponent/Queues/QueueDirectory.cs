using System.Collections.Concurrent;
using System.Text.Json;
using Amazon.SQS;
using Amazon.SQS.Model;
using PiiMasking.SqsComponent.Instances;

namespace PiiMasking.SqsComponent.Queues;

/// <summary>Finds queues by name and, when asked to, makes them with their dead-letter queues. Thread-safe.</summary>
internal sealed class QueueDirectory(IAmazonSQS sqs, SqsSettings settings, ILogger<QueueDirectory> logger)
{
    // The longest that SQS keeps a message: a dead letter waits for a person.
    private const string DeadLetterRetentionSeconds = "1209600";

    private readonly ConcurrentDictionary<string, string> urls = new(StringComparer.Ordinal);

    /// <exception cref="QueueMissingException">There is no such queue, and making it was not asked for.</exception>
    public async Task<string> UrlOfAsync(string queue, CancellationToken stopping)
    {
        if (urls.TryGetValue(queue, out var known))
            return known;
        var url = await FindAsync(queue, stopping);
        if (settings.CreateQueues)
        {
            url ??= await MakeAsync(queue, stopping);
            if (settings.MaxReceiveCount is { } maxReceiveCount && !QueueName.IsDeadLetters(queue))
                await RedriveAsync(queue, url, maxReceiveCount, stopping);
        }

        return urls[queue] = url ?? throw new QueueMissingException(
            $"queue '{queue}' does not exist at {SqsClients.Place(settings)}; create it, or set metadata entry 'createQueues' to true");
    }

    /// <summary>The queue was not where it was: look again next time.</summary>
    public void Forget(string queue) => urls.TryRemove(queue, out _);

    private async Task<string?> FindAsync(string queue, CancellationToken stopping)
    {
        try
        {
            return (await sqs.GetQueueUrlAsync(queue, stopping)).QueueUrl;
        }
        catch (QueueDoesNotExistException)
        {
            return null;
        }
    }

    private async Task<string> MakeAsync(string queue, CancellationToken stopping)
    {
        var request = new CreateQueueRequest(queue);
        if (QueueName.IsDeadLetters(queue))
            request.Attributes = new() { [QueueAttributeName.MessageRetentionPeriod] = DeadLetterRetentionSeconds };
        try
        {
            var url = (await sqs.CreateQueueAsync(request, stopping)).QueueUrl;
            logger.QueueMade(queue);
            return url;
        }
        catch (QueueNameExistsException)
        {
            // Somebody else made it in between, with attributes of their own.
            return (await sqs.GetQueueUrlAsync(queue, stopping)).QueueUrl;
        }
    }

    private async Task RedriveAsync(string queue, string url, int maxReceiveCount, CancellationToken stopping)
    {
        var deadLetters = QueueName.DeadLettersOf(queue);
        var deadLettersUrl = await FindAsync(deadLetters, stopping) ?? await MakeAsync(deadLetters, stopping);
        var target = await AttributeAsync(deadLettersUrl, QueueAttributeName.QueueArn, stopping);
        var present = RedriveTo(await AttributeAsync(url, QueueAttributeName.RedrivePolicy, stopping));
        if (present is not null && present.Value.Target != target)
        {
            logger.OtherRedrivePolicy(queue);
            return;
        }

        if (present?.MaxReceiveCount == maxReceiveCount)
            return;
        var policy = JsonSerializer.Serialize(new { deadLetterTargetArn = target, maxReceiveCount });
        await sqs.SetQueueAttributesAsync(url, new() { [QueueAttributeName.RedrivePolicy] = policy }, stopping);
        logger.RedrivePolicySet(queue, deadLetters, maxReceiveCount);
    }

    private async Task<string?> AttributeAsync(string url, string name, CancellationToken stopping)
    {
        var response = await sqs.GetQueueAttributesAsync(url, [name], stopping);
        return response.Attributes is { } attributes && attributes.TryGetValue(name, out var value) ? value : null;
    }

    private static (string? Target, int? MaxReceiveCount)? RedriveTo(string? policy)
    {
        if (string.IsNullOrEmpty(policy))
            return null;
        using var json = JsonDocument.Parse(policy);
        var target = json.RootElement.TryGetProperty("deadLetterTargetArn", out var arn) ? arn.GetString() : null;
        // AWS answers a number, whatever was set; emulators answer what was set.
        var count = json.RootElement.TryGetProperty("maxReceiveCount", out var max) && int.TryParse(max.ToString(), out var number)
            ? number
            : (int?)null;
        return (target, count);
    }
}
