using System.Runtime.CompilerServices;
using Google.Protobuf;
using Google.Protobuf.Collections;
using Grpc.Core;
using Grpc.Net.Client;
using PiiMasking.Sidecar.Protos.Components;
using Client = PiiMasking.Sidecar.Protos.Components.PubSub.PubSubClient;

namespace PiiMasking.Sidecar.Components;

/// <summary>A pub/sub component in another process, over its unix socket (dapr.proto.components.v1.PubSub).</summary>
internal sealed class PluggablePubSub : IPubSub
{
    private readonly GrpcChannel channel;
    private readonly Client client;
    private readonly string name;

    private PluggablePubSub(string name, GrpcChannel channel)
    {
        this.name = name;
        this.channel = channel;
        client = new Client(channel);
    }

    public IReadOnlyCollection<string> Features { get; private set; } = [];

    /// <summary>Dials, sends Init, reads the features.</summary>
    /// <exception cref="ComponentException">The component refused, or was not done within the timeout.</exception>
    public static async Task<PluggablePubSub> ConnectAsync(
        string name, string socket, IReadOnlyDictionary<string, string> properties, TimeSpan timeout, CancellationToken stopping)
    {
        var component = new PluggablePubSub(name, SocketDiscovery.Dial(socket));
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        limit.CancelAfter(timeout);
        try
        {
            var metadata = new MetadataRequest();
            metadata.Properties.Add(properties.ToDictionary(StringComparer.Ordinal));
            await component.client.InitAsync(new PubSubInitRequest { Metadata = metadata }, component.Options(limit.Token));
            var features = await component.client.FeaturesAsync(new FeaturesRequest(), component.Options(limit.Token));
            component.Features = features.Features;
            return component;
        }
        catch (RpcException failed)
        {
            await component.DisposeAsync();
            stopping.ThrowIfCancellationRequested();
            throw new ComponentException(limit.IsCancellationRequested
                ? $"init timeout exceeded after {timeout.TotalSeconds:0.###}s: is the process behind {socket} well?"
                : failed.Status.Detail);
        }
    }

    public async Task PublishAsync(OutboundMessage message, CancellationToken stopping)
    {
        var request = new PublishRequest
        {
            Data = UnsafeByteOperations.UnsafeWrap(message.Data),
            PubsubName = name,
            Topic = message.Topic,
        };
        Copy(message.Metadata, request.Metadata);
        try
        {
            await client.PublishAsync(request, Options(stopping));
        }
        catch (RpcException failed)
        {
            throw Translate(failed, stopping);
        }
    }

    public async Task<IReadOnlyList<FailedEntry>> BulkPublishAsync(
        string topic, IReadOnlyList<OutboundEntry> entries, IReadOnlyDictionary<string, string> metadata, CancellationToken stopping)
    {
        var request = new BulkPublishRequest { PubsubName = name, Topic = topic };
        Copy(metadata, request.Metadata);
        foreach (var entry in entries)
        {
            var copy = new BulkMessageEntry
            {
                EntryId = entry.EntryId,
                Event = UnsafeByteOperations.UnsafeWrap(entry.Event),
                ContentType = entry.ContentType,
            };
            Copy(entry.Metadata, copy.Metadata);
            request.Entries.Add(copy);
        }

        try
        {
            var response = await client.BulkPublishAsync(request, Options(stopping));
            return [.. response.FailedEntries.Select(failed => new FailedEntry(failed.EntryId, failed.Error))];
        }
        catch (RpcException failed)
        {
            throw Translate(failed, stopping);
        }
    }

    public async Task<IMessageStream> OpenAsync(
        string topic, IReadOnlyDictionary<string, string> metadata, CancellationToken stopping)
    {
        var call = client.PullMessages(Options(stopping));
        try
        {
            var first = new Topic { Name = topic };
            Copy(metadata, first.Metadata);
            await call.RequestStream.WriteAsync(new PullMessagesRequest { Topic = first }, stopping);
            return new Stream(call);
        }
        catch (RpcException failed)
        {
            call.Dispose();
            throw Translate(failed, stopping);
        }
    }

    public async Task PauseAsync(CancellationToken stopping)
    {
        try
        {
            await client.PauseAsync(new PauseRequest(), Options(stopping));
        }
        catch (RpcException)
        {
            // New in Dapr 1.18 and optional; without it the component learns of the stop when its stream is cancelled.
        }
    }

    public ValueTask DisposeAsync()
    {
        channel.Dispose();
        return ValueTask.CompletedTask;
    }

    // One process may serve several components; this header says which one is meant.
    private CallOptions Options(CancellationToken stopping) =>
        new(new Metadata { { "x-component-instance", name } }, cancellationToken: stopping);

    private static void Copy(IReadOnlyDictionary<string, string> from, MapField<string, string> to)
    {
        foreach (var (key, value) in from)
            to[key] = value;
    }

    private static Exception Translate(RpcException failed, CancellationToken stopping) => stopping.IsCancellationRequested
        ? new OperationCanceledException(stopping)
        : new ComponentException($"rpc error: code = {failed.StatusCode} desc = {failed.Status.Detail}");

    private sealed class Stream(AsyncDuplexStreamingCall<PullMessagesRequest, PullMessagesResponse> call) : IMessageStream
    {
        // A gRPC stream takes one write at a time.
        private readonly SemaphoreSlim writing = new(1, 1);

        public async IAsyncEnumerable<InboundMessage> ReadAllAsync([EnumeratorCancellation] CancellationToken stopping)
        {
            while (await MoveNextAsync(stopping))
            {
                var message = call.ResponseStream.Current;
                yield return new InboundMessage(
                    message.Id, message.Data.Memory, message.TopicName, message.Metadata, message.ContentType);
            }
        }

        public async Task AnswerAsync(InboundMessage message, string? error, CancellationToken stopping)
        {
            var answer = new PullMessagesRequest { AckMessageId = message.Id };
            if (error is not null)
                answer.AckError = new AckMessageError { Message = error };

            await writing.WaitAsync(stopping);
            try
            {
                await call.RequestStream.WriteAsync(answer, stopping);
            }
            catch (Exception failed) when (failed is RpcException or InvalidOperationException)
            {
                stopping.ThrowIfCancellationRequested();
                throw new ComponentException("the answer could not be sent: the stream is broken");
            }
            finally
            {
                writing.Release();
            }
        }

        public void Dispose()
        {
            call.Dispose();
            writing.Dispose();
        }

        private async Task<bool> MoveNextAsync(CancellationToken stopping)
        {
            try
            {
                return await call.ResponseStream.MoveNext(stopping);
            }
            catch (RpcException failed)
            {
                throw Translate(failed, stopping);
            }
        }
    }
}
