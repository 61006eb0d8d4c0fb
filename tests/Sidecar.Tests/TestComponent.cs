using System.Collections.Concurrent;
using System.Globalization;
using System.Threading.Channels;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using PiiMasking.Sidecar.Tests.Protos;

namespace PiiMasking.Sidecar.Tests;

/// <summary>An answer of the sidecar to a message. Error is null for a plain acknowledgement.</summary>
internal sealed record Answer(string Id, string? Error);

/// <summary>A stream that the sidecar opened.</summary>
internal sealed class PulledTopic(Topic topic, string instance, IServerStreamWriter<PullMessagesResponse> writer) : IDisposable
{
    private readonly SemaphoreSlim writing = new(1, 1);
    private int last;

    public string Name => topic.Name;

    public IReadOnlyDictionary<string, string> Metadata => topic.Metadata;

    public string Instance => instance;

    /// <summary>Completes when the sidecar has ended the stream.</summary>
    public TaskCompletionSource Ended { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Set to break the stream from the component's side.</summary>
    public TaskCompletionSource Break { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Channel<Answer> Answers { get; } = Channel.CreateUnbounded<Answer>();

    public void Dispose() => writing.Dispose();

    /// <returns>The message's id.</returns>
    public async Task<string> SendAsync(
        byte[] data, IReadOnlyDictionary<string, string>? metadata = null, string contentType = "", string? topicName = null)
    {
        var id = Interlocked.Increment(ref last).ToString(CultureInfo.InvariantCulture);
        var message = new PullMessagesResponse
        {
            Id = id,
            Data = ByteString.CopyFrom(data),
            TopicName = topicName ?? Name,
            ContentType = contentType,
        };
        foreach (var (key, value) in metadata ?? new Dictionary<string, string>())
            message.Metadata[key] = value;
        // A gRPC stream takes one write at a time.
        await writing.WaitAsync();
        try
        {
            await writer.WriteAsync(message);
        }
        finally
        {
            writing.Release();
        }

        return id;
    }

    public Task<string> SendAsync(string data, IReadOnlyDictionary<string, string>? metadata = null, string contentType = "") =>
        SendAsync(System.Text.Encoding.UTF8.GetBytes(data), metadata, contentType);

    public async Task<Answer> AnswerAsync(CancellationToken stopping)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        limit.CancelAfter(TimeSpan.FromSeconds(15));
        return await Answers.Reader.ReadAsync(limit.Token);
    }
}

/// <summary>A pluggable pub/sub component over a real unix socket, steered by the test.</summary>
internal sealed class TestComponent : IAsyncDisposable
{
    private readonly WebApplication host;
    private readonly State state;

    private TestComponent(WebApplication host, State state)
    {
        this.host = host;
        this.state = state;
    }

    /// <summary>The Init properties by component instance.</summary>
    public ConcurrentDictionary<string, IReadOnlyDictionary<string, string>> Inits => state.Inits;

    public Channel<PublishRequest> Published => state.Published;

    public Channel<BulkPublishRequest> BulkPublished => state.BulkPublished;

    public int Pauses => state.Pauses;

    /// <param name="folder">The sockets folder.</param>
    /// <param name="name">Of the socket: "test" makes the type pubsub.test.</param>
    public static async Task<TestComponent> StartAsync(
        string folder, string name = "test", IReadOnlyList<string>? features = null, Action<Behaviour>? behave = null)
    {
        var state = new State { Features = features ?? [] };
        behave?.Invoke(state.Behaviour);
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.ListenUnixSocket(
            Path.Combine(folder, name + ".sock"), listen => listen.Protocols = HttpProtocols.Http2));
        builder.Services.AddRouting();
        builder.Services.AddGrpc(grpc => grpc.MaxReceiveMessageSize = null);
        builder.Services.AddGrpcReflection();
        builder.Services.AddSingleton(state);
        var host = builder.Build();
        host.UseRouting();
        host.MapGrpcService<Service>();
        host.MapGrpcReflectionService();
        await host.StartAsync();
        return new TestComponent(host, state);
    }

    /// <summary>The next stream that the sidecar opens.</summary>
    public async Task<PulledTopic> NextStreamAsync(CancellationToken stopping)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        limit.CancelAfter(TimeSpan.FromSeconds(15));
        return await state.Streams.Reader.ReadAsync(limit.Token);
    }

    public bool HasMoreStreams => state.Streams.Reader.Count > 0;

    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource(TimeSpan.Zero);
        await host.StopAsync(now.Token);
        await host.DisposeAsync();
        foreach (var pulled in state.Pulled)
            pulled.Dispose();
    }

    /// <summary>How the component deviates from success.</summary>
    internal sealed class Behaviour
    {
        public string? InitError { get; set; }
        public TimeSpan InitDelay { get; set; }
        public string? PublishError { get; set; }
        public HashSet<string> FailingEntries { get; } = new(StringComparer.Ordinal);
    }

    internal sealed class State
    {
        public Behaviour Behaviour { get; } = new();
        public IReadOnlyList<string> Features { get; init; } = [];
        public ConcurrentDictionary<string, IReadOnlyDictionary<string, string>> Inits { get; } = new();
        public Channel<PublishRequest> Published { get; } = Channel.CreateUnbounded<PublishRequest>();
        public Channel<BulkPublishRequest> BulkPublished { get; } = Channel.CreateUnbounded<BulkPublishRequest>();
        public Channel<PulledTopic> Streams { get; } = Channel.CreateUnbounded<PulledTopic>();
        public ConcurrentBag<PulledTopic> Pulled { get; } = [];
        public int Pauses;
    }

    internal sealed class Service(State state) : Protos.PubSub.PubSubBase
    {
        public override async Task<PubSubInitResponse> Init(PubSubInitRequest request, ServerCallContext context)
        {
            await Task.Delay(state.Behaviour.InitDelay, context.CancellationToken);
            if (state.Behaviour.InitError is { } error)
                throw new RpcException(new Status(StatusCode.InvalidArgument, error));
            state.Inits[Instance(context)] = request.Metadata.Properties;
            return new PubSubInitResponse();
        }

        public override Task<FeaturesResponse> Features(FeaturesRequest request, ServerCallContext context) =>
            Task.FromResult(new FeaturesResponse { Features = { state.Features } });

        public override Task<PublishResponse> Publish(PublishRequest request, ServerCallContext context)
        {
            if (state.Behaviour.PublishError is { } error)
                throw new RpcException(new Status(StatusCode.Internal, error));
            state.Published.Writer.TryWrite(request);
            return Task.FromResult(new PublishResponse());
        }

        public override Task<BulkPublishResponse> BulkPublish(BulkPublishRequest request, ServerCallContext context)
        {
            state.BulkPublished.Writer.TryWrite(request);
            var response = new BulkPublishResponse();
            foreach (var entry in request.Entries.Where(entry => state.Behaviour.FailingEntries.Contains(entry.EntryId)))
                response.FailedEntries.Add(new BulkPublishResponseFailedEntry { EntryId = entry.EntryId, Error = "refused" });
            return Task.FromResult(response);
        }

        public override async Task PullMessages(
            IAsyncStreamReader<PullMessagesRequest> requests, IServerStreamWriter<PullMessagesResponse> responses,
            ServerCallContext context)
        {
            await requests.MoveNext(context.CancellationToken);
            var pulled = new PulledTopic(requests.Current.Topic, Instance(context), responses);
            state.Pulled.Add(pulled);
            state.Streams.Writer.TryWrite(pulled);
            try
            {
                var reading = ReadAsync(requests, pulled, context.CancellationToken);
                if (await Task.WhenAny(reading, pulled.Break.Task) == pulled.Break.Task)
                    throw new RpcException(new Status(StatusCode.Unavailable, "broken on purpose"));
                await reading;
            }
            catch (Exception ended) when (ended is OperationCanceledException or IOException)
            {
                // The sidecar has cancelled.
            }
            finally
            {
                pulled.Ended.TrySetResult();
            }
        }

        public override Task<PauseResponse> Pause(PauseRequest request, ServerCallContext context)
        {
            Interlocked.Increment(ref state.Pauses);
            return Task.FromResult(new PauseResponse());
        }

        private static async Task ReadAsync(
            IAsyncStreamReader<PullMessagesRequest> requests, PulledTopic pulled, CancellationToken stopping)
        {
            while (await requests.MoveNext(stopping))
                pulled.Answers.Writer.TryWrite(new Answer(requests.Current.AckMessageId, requests.Current.AckError?.Message));
        }

        private static string Instance(ServerCallContext context) => context.RequestHeaders.GetValue("x-component-instance") ?? "";
    }
}
