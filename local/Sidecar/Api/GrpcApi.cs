using Google.Protobuf.Collections;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using PiiMasking.Sidecar.Protos.Runtime;
using PiiMasking.Sidecar.PubSub;
using PiiMasking.Sidecar.Secrets;

namespace PiiMasking.Sidecar.Api;

/// <summary>The part of dapr.proto.runtime.v1.Dapr that the stand-in serves; the rest answers UNIMPLEMENTED.</summary>
internal sealed class GrpcApi(
    Publisher publisher, SecretReader secrets, RuntimeMetadata metadata, Readiness readiness, IHostApplicationLifetime lifetime)
    : Dapr.DaprBase
{
    public override Task<GetSecretResponse> GetSecret(GetSecretRequest request, ServerCallContext context) => Answer(() =>
    {
        var response = new GetSecretResponse();
        response.Data.Add(secrets.Get(request.StoreName, request.Key).ToDictionary());
        return Task.FromResult(response);
    });

    public override Task<GetBulkSecretResponse> GetBulkSecret(GetBulkSecretRequest request, ServerCallContext context) => Answer(() =>
    {
        var response = new GetBulkSecretResponse();
        foreach (var (name, values) in secrets.GetAll(request.StoreName))
            response.Data.Add(name, new SecretResponse { Secrets = { values.ToDictionary() } });
        return Task.FromResult(response);
    });

    public override Task<Empty> PublishEvent(PublishEventRequest request, ServerCallContext context) => Answer(async () =>
    {
        await publisher.PublishAsync(
            request.PubsubName, request.Topic, request.Data.Memory, request.DataContentType, Plain(request.Metadata), TraceOf(context),
            context.CancellationToken);
        return new Empty();
    });

    public override Task<BulkPublishResponse> BulkPublishEvent(BulkPublishRequest request, ServerCallContext context) => Answer(async () =>
    {
        PublishEntry[] entries =
        [
            .. request.Entries.Select(entry =>
                new PublishEntry(entry.EntryId, entry.Event.Memory, entry.ContentType, Plain(entry.Metadata))),
        ];
        var result = await publisher.BulkPublishAsync(
            request.PubsubName, request.Topic, entries, Plain(request.Metadata), TraceOf(context), context.CancellationToken);
        // Only a component that publishes in bulk itself gives the caller a list; of the others one failure fails the call.
        if (result.IsWholeCall)
            throw Publisher.Failed(request.PubsubName, request.Topic, result.Failed[0].Error);

        var response = new BulkPublishResponse();
        foreach (var failed in result.Failed)
            response.FailedEntries.Add(new BulkPublishResponseFailedEntry { EntryId = failed.EntryId, Error = failed.Error });
        return response;
    });

    public override Task<BulkPublishResponse> BulkPublishEventAlpha1(BulkPublishRequest request, ServerCallContext context) =>
        BulkPublishEvent(request, context);

    public override Task<GetMetadataResponse> GetMetadata(GetMetadataRequest request, ServerCallContext context) =>
        Task.FromResult(metadata.ToMessage());

    public override Task<Empty> SetMetadata(SetMetadataRequest request, ServerCallContext context)
    {
        readiness.Extended[request.Key] = request.Value;
        return Task.FromResult(new Empty());
    }

    public override Task<Empty> Shutdown(ShutdownRequest request, ServerCallContext context)
    {
        context.GetHttpContext().Response.OnCompleted(() =>
        {
            lifetime.StopApplication();
            return Task.CompletedTask;
        });
        return Task.FromResult(new Empty());
    }

    private static async Task<T> Answer<T>(Func<Task<T>> work)
    {
        try
        {
            return await work();
        }
        catch (ApiException refused)
        {
            throw new RpcException(new Status(refused.GrpcCode, refused.Message));
        }
    }

    private static Dictionary<string, string> Plain(MapField<string, string> map) => map.ToDictionary(StringComparer.Ordinal);

    private static (string? Parent, string? State) TraceOf(ServerCallContext context) =>
        (context.RequestHeaders.GetValue("traceparent"), context.RequestHeaders.GetValue("tracestate"));
}
