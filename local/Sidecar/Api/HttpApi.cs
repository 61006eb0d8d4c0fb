using System.Buffers;
using System.Net.Mime;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Grpc.Core;
using PiiMasking.Sidecar.Invocation;
using PiiMasking.Sidecar.PubSub;
using PiiMasking.Sidecar.Secrets;

namespace PiiMasking.Sidecar.Api;

/// <summary>daprd's HTTP API. What matches nothing is an invocation, if it names an app.</summary>
internal static class HttpApi
{
    public static void MapHttpApi(this IEndpointRouteBuilder routes)
    {
        var api = routes.MapGroup("").WithMetadata(Door.Http);

        api.MapGet("/v1.0/healthz", Healthz);
        api.MapGet("/v1.0/healthz/outbound", OutboundHealthz);
        api.MapGet("/v1.0/metadata", (RuntimeMetadata metadata) => Results.Json(metadata.ToJson()));
        api.MapPut("/v1.0/metadata/{key}", PutMetadata);
        api.MapPost("/v1.0/shutdown", Shutdown);

        api.MapGet("/v1.0/secrets/{store}/bulk", (string store, SecretReader secrets) => Results.Json(secrets.GetAll(store)));
        api.MapGet("/v1.0/secrets/{store}/{key}", (string store, string key, SecretReader secrets) =>
            Results.Json(secrets.Get(store, Uri.UnescapeDataString(key))));

        string[] verbs = [HttpMethods.Post, HttpMethods.Put];
        api.MapMethods("/v1.0/publish/{pubSub}/{**topic}", verbs, Publish);
        api.MapMethods("/v1.0/publish/bulk/{pubSub}/{**topic}", verbs, BulkPublish);
        api.MapMethods("/v1.0-alpha1/publish/bulk/{pubSub}/{**topic}", verbs, BulkPublish);

        api.MapFallback("{**path}", (HttpContext context, Invoker invoker) => invoker.InvokeAsync(context));
    }

    private static IResult Healthz(Readiness readiness, SidecarOptions options, string? appid = null)
    {
        if (!readiness.IsReady)
            throw NotReady("ERR_HEALTH_NOT_READY", "dapr is not ready");
        if (appid is not null && appid != options.AppId)
            throw NotReady("ERR_HEALTH_APPID_NOT_MATCH", "dapr app-id does not match");
        return Results.NoContent();
    }

    private static IResult OutboundHealthz(Readiness readiness) => readiness.IsOutboundReady
        ? Results.NoContent()
        : throw NotReady("ERR_OUTBOUND_HEALTH_NOT_READY", "dapr outbound is not ready");

    private static ApiException NotReady(string code, string message) =>
        new(StatusCodes.Status500InternalServerError, StatusCode.Internal, code, message);

    private static async Task<IResult> PutMetadata(string key, HttpRequest request, Readiness readiness)
    {
        using var reader = new StreamReader(request.Body);
        readiness.Extended[key] = await reader.ReadToEndAsync(request.HttpContext.RequestAborted);
        return Results.NoContent();
    }

    private static IResult Shutdown(HttpContext context, IHostApplicationLifetime lifetime)
    {
        // The answer goes out first.
        context.Response.OnCompleted(() =>
        {
            lifetime.StopApplication();
            return Task.CompletedTask;
        });
        return Results.NoContent();
    }

    private static async Task<IResult> Publish(string pubSub, string? topic, HttpRequest request, Publisher publisher)
    {
        var stopping = request.HttpContext.RequestAborted;
        using var body = await ReadAsync(request);
        await publisher.PublishAsync(
            pubSub, topic ?? "", body.Written, request.ContentType ?? "", MetadataOf(request), TraceOf(request), stopping);
        return Results.NoContent();
    }

    private static async Task<IResult> BulkPublish(string pubSub, string? topic, HttpRequest request, Publisher publisher)
    {
        var stopping = request.HttpContext.RequestAborted;
        topic ??= "";
        using var body = await ReadAsync(request);
        var entries = Entries(pubSub, topic, body.Written);
        var result = await publisher.BulkPublishAsync(pubSub, topic, entries, MetadataOf(request), TraceOf(request), stopping);
        if (result.Failed.Count == 0)
            return Results.NoContent();

        var answer = new JsonObject
        {
            ["failedEntries"] = new JsonArray(
                [.. result.Failed.Select(entry => new JsonObject { ["entryId"] = entry.EntryId, ["error"] = entry.Error })]),
            ["errorCode"] = "ERR_PUBSUB_PUBLISH_MESSAGE",
        };
        return Results.Json(answer, statusCode: StatusCodes.Status500InternalServerError);
    }

    /// <exception cref="ApiException">The body is no array of entries, or an event does not fit its content type.</exception>
    internal static IReadOnlyList<PublishEntry> Entries(string pubSub, string topic, ReadOnlyMemory<byte> body)
    {
        JsonElement[] items;
        try
        {
            items = JsonSerializer.Deserialize<JsonElement[]>(body.Span) ?? [];
        }
        catch (JsonException)
        {
            throw Unusable("UNMARSHAL_EVENTS", $"error when unmarshaling the request for topic {topic} pubsub {pubSub}: not a JSON array");
        }

        return [.. items.Select(Entry)];

        PublishEntry Entry(JsonElement item)
        {
            try
            {
                var wire = item.Deserialize<WireEntry>(JsonSerializerOptions.Web) ?? new WireEntry(null, default, null, null);
                var contentType = wire.ContentType ?? "";
                return new PublishEntry(
                    wire.EntryId ?? "", Bytes(wire.Event, contentType), contentType, wire.Metadata ?? new Dictionary<string, string>());
            }
            catch (Exception wrong) when (wrong is JsonException or FormatException or InvalidOperationException)
            {
                throw Unusable(
                    "MARSHAL_EVENTS",
                    $"error marshaling events to bytes for topic {topic} pubsub {pubSub}. error: event does not match its contentType");
            }
        }

        ApiException Unusable(string reason, string message) => new(
            StatusCodes.Status400BadRequest, StatusCode.InvalidArgument, "ERR_PUBSUB_EVENTS_SER", message,
            new ApiErrorDetails("DAPR_PUBSUB_" + reason, pubSub));
    }

    private static byte[] Bytes(JsonElement value, string contentType)
    {
        if (CloudEventEnvelope.IsMediaType(contentType, MediaTypeNames.Application.Octet))
            return value.GetBytesFromBase64();
        if (CloudEventEnvelope.IsMediaType(contentType, MediaTypeNames.Application.Json)
            || CloudEventEnvelope.IsMediaType(contentType, CloudEventEnvelope.ContentType))
            return Encoding.UTF8.GetBytes(value.GetRawText());
        return Encoding.UTF8.GetBytes(value.GetString() ?? throw new FormatException());
    }

    private static Dictionary<string, string> MetadataOf(HttpRequest request)
    {
        const string prefix = "metadata.";
        return request.Query
            .Where(pair => pair.Key.StartsWith(prefix, StringComparison.OrdinalIgnoreCase))
            .ToDictionary(pair => pair.Key[prefix.Length..], pair => pair.Value.ToString(), StringComparer.Ordinal);
    }

    private static (string? Parent, string? State) TraceOf(HttpRequest request) =>
        (request.Headers.TraceParent.ToString(), request.Headers.TraceState.ToString());

    private static async Task<Body> ReadAsync(HttpRequest request)
    {
        var body = new Body((int)(request.ContentLength ?? 0));
        try
        {
            await request.Body.CopyToAsync(body.Stream, request.HttpContext.RequestAborted);
            return body;
        }
        catch
        {
            body.Dispose();
            throw;
        }
    }

    private sealed class Body(int size) : IDisposable
    {
        public MemoryStream Stream { get; } = new(size);

        public ReadOnlyMemory<byte> Written => Stream.GetBuffer().AsMemory(0, (int)Stream.Length);

        public void Dispose() => Stream.Dispose();
    }

    private sealed record WireEntry(
        string? EntryId, JsonElement Event, string? ContentType, IReadOnlyDictionary<string, string>? Metadata);
}
