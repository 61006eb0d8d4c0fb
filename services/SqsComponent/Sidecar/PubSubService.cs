using Google.Protobuf;
using Grpc.Core;
using PiiMasking.SqsComponent.Instances;
using PiiMasking.SqsComponent.Protos;
using PiiMasking.SqsComponent.Publishing;
using PiiMasking.SqsComponent.Queues;

namespace PiiMasking.SqsComponent.Sidecar;

/// <summary>The contract with daprd: translates calls, and failures into statuses whose text a person can act on.</summary>
internal sealed class PubSubService(
    ComponentInstances instances, PullStreams streams, ILogger<PubSubService> logger, IHostApplicationLifetime lifetime)
    : PubSub.PubSubBase
{
    private const string InstanceHeader = "x-component-instance";

    // BULK_SUBSCRIBE_IMMEDIATE: batches are made here; the sidecar is not to wait for more of them.
    private static readonly string[] FeatureNames = ["BULK_PUBSUB", "BULK_SUBSCRIBE_IMMEDIATE"];

    public override async Task<PubSubInitResponse> Init(PubSubInitRequest request, ServerCallContext context)
    {
        try
        {
            await instances.InitAsync(InstanceName(context), request.Metadata?.Properties ?? [], context.CancellationToken);
            return new PubSubInitResponse();
        }
        catch (MetadataException wrong)
        {
            logger.NotInitialised(InstanceName(context), wrong.Message);
            throw Status(StatusCode.InvalidArgument, wrong.Message);
        }
    }

    public override Task<FeaturesResponse> Features(FeaturesRequest request, ServerCallContext context) =>
        Task.FromResult(new FeaturesResponse { Features = { FeatureNames } });

    public override Task<PingResponse> Ping(PingRequest request, ServerCallContext context) => Task.FromResult(new PingResponse());

    public override async Task<PauseResponse> Pause(PauseRequest request, ServerCallContext context)
    {
        await Instance(context).PauseAsync(context.CancellationToken);
        return new PauseResponse();
    }

    public override async Task<ResumeResponse> Resume(ResumeRequest request, ServerCallContext context)
    {
        await Instance(context).ResumeAsync(context.CancellationToken);
        return new ResumeResponse();
    }

    public override async Task<PublishResponse> Publish(PublishRequest request, ServerCallContext context)
    {
        await SendingAsync(() => Instance(context).Publisher.PublishAsync(request, context.CancellationToken), context);
        return new PublishResponse();
    }

    public override async Task<BulkPublishResponse> BulkPublish(BulkPublishRequest request, ServerCallContext context)
    {
        var response = new BulkPublishResponse();
        await SendingAsync(
            async () => response.FailedEntries.Add(await Instance(context).Publisher.PublishAsync(request, context.CancellationToken)),
            context);
        return response;
    }

    public override async Task PullMessages(
        IAsyncStreamReader<PullMessagesRequest> requests, IServerStreamWriter<PullMessagesResponse> responses, ServerCallContext context)
    {
        if (!await requests.MoveNext(context.CancellationToken))
            return;
        if (requests.Current.Topic is not { Name.Length: > 0 } topic)
            throw Status(StatusCode.InvalidArgument, "the first message of the stream has to name a topic");
        if (lifetime.ApplicationStopping.IsCancellationRequested)
            throw Status(StatusCode.Unavailable, "the component is stopping");
        await streams.RunAsync(Instance(context), topic, requests, responses, context.CancellationToken);
    }

    private static async Task SendingAsync(Func<Task> send, ServerCallContext context)
    {
        try
        {
            await send();
        }
        catch (PublishException wrong)
        {
            throw Status(StatusCode.InvalidArgument, wrong.Message);
        }
        catch (QueueMissingException missing)
        {
            throw Status(StatusCode.NotFound, missing.Message);
        }
        catch (Exception fault) when (SqsFaults.IsOutside(fault) && !context.CancellationToken.IsCancellationRequested)
        {
            var status = SqsFaults.IsRefusal(fault) ? StatusCode.FailedPrecondition : StatusCode.Unavailable;
            throw Status(status, $"SQS did not take the message: {SqsFaults.Describe(fault)}");
        }
    }

    private ComponentInstance Instance(ServerCallContext context) =>
        instances.Find(InstanceName(context)) ?? throw Status(
            StatusCode.FailedPrecondition,
            $"component '{InstanceName(context)}' is not initialised here; if the component was restarted, restart the sidecar too");

    private static string InstanceName(ServerCallContext context) => context.RequestHeaders.GetValue(InstanceHeader) ?? "";

    private static RpcException Status(StatusCode code, string detail) => new(new Status(code, detail));
}
