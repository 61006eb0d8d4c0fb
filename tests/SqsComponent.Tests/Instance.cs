using System.Text.Json;
using Grpc.Core;
using PiiMasking.SqsComponent.Protos;

namespace PiiMasking.SqsComponent.Tests;

/// <summary>One Component file of a sidecar, as the sidecar sees it.</summary>
internal sealed class Instance(PubSub.PubSubClient client, Metadata headers)
{
    public Metadata Headers => headers;

    public PubSub.PubSubClient Client => client;

    public async Task<PullStream> SubscribeAsync(string topic, string? queue = null)
    {
        var call = client.PullMessages(headers);
        var request = new Topic { Name = topic, Metadata = { ["rawPayload"] = "true" } };
        if (queue is not null)
            request.Metadata.Add("queue", queue);
        await call.RequestStream.WriteAsync(new PullMessagesRequest { Topic = request });
        return new PullStream(call);
    }
}

/// <summary>A subscription of a sidecar.</summary>
internal sealed class PullStream(AsyncDuplexStreamingCall<PullMessagesRequest, PullMessagesResponse> call) : IAsyncDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(15);

    private Task<bool>? pending;

    /// <summary>The next batch.</summary>
    public async Task<Batch> NextAsync(TimeSpan? limit = null) =>
        await TryNextAsync(limit ?? Limit) ?? throw new TimeoutException("No batch came.");

    /// <summary>The next batch, or null when none comes in time. What comes later is not lost.</summary>
    public async Task<Batch?> TryNextAsync(TimeSpan limit)
    {
        pending ??= call.ResponseStream.MoveNext(CancellationToken.None);
        try
        {
            if (!await pending.WaitAsync(limit))
                throw new InvalidOperationException("The component ended the stream.");
        }
        catch (TimeoutException)
        {
            return null;
        }

        pending = null;
        return new Batch(call.ResponseStream.Current);
    }

    /// <summary>Batches until so many messages are here; none is answered.</summary>
    public async Task<List<Batch>> TakeAsync(int messages, TimeSpan? limit = null)
    {
        var batches = new List<Batch>();
        while (batches.Sum(batch => batch.Events.Count) < messages)
            batches.Add(await NextAsync(limit));
        return batches;
    }

    /// <summary>Acknowledges batches until so many messages are done.</summary>
    public async Task<List<Batch>> TakeAndAckAsync(int messages)
    {
        var batches = new List<Batch>();
        while (batches.Sum(batch => batch.Events.Count) < messages)
        {
            batches.Add(await NextAsync());
            await AckAsync(batches[^1]);
        }

        return batches;
    }

    public Task AckAsync(Batch batch) => call.RequestStream.WriteAsync(new PullMessagesRequest { AckMessageId = batch.Token });

    public Task NackAsync(Batch batch) => call.RequestStream.WriteAsync(
        new PullMessagesRequest { AckMessageId = batch.Token, AckError = new AckMessageError { Message = "the app said no" } });

    public Task HangUpAsync() => call.RequestStream.CompleteAsync();

    public ValueTask DisposeAsync()
    {
        // What daprd does: it cancels the call.
        call.Dispose();
        return ValueTask.CompletedTask;
    }
}

/// <summary>One message of a stream, unwrapped.</summary>
internal sealed class Batch
{
    public Batch(PullMessagesResponse response)
    {
        Response = response;
        Events = [.. JsonDocument.Parse(response.Data.Memory).RootElement.EnumerateArray().Select(item => new Event(item))];
    }

    public PullMessagesResponse Response { get; }

    public string Token => Response.Id;

    public List<Event> Events { get; }

    public IEnumerable<string> Ids => Events.Select(one => one.Id);
}

/// <summary>One CloudEvent of a batch.</summary>
internal sealed record Event(JsonElement Json)
{
    public string Id => Json.GetProperty("id").GetString()!;

    public byte[] Body => Json.GetProperty("data_base64").GetBytesFromBase64();

    public string Text => System.Text.Encoding.UTF8.GetString(Body);
}
