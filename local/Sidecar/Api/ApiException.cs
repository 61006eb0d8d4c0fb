using System.Text.Json.Nodes;
using Grpc.Core;

namespace PiiMasking.Sidecar.Api;

/// <summary>An answer of the API that is not success: one text, its HTTP status and its gRPC code.</summary>
/// <param name="details">What pub/sub errors add: the reason and the component.</param>
internal sealed class ApiException(int httpStatus, StatusCode grpcCode, string errorCode, string message, ApiErrorDetails? details = null)
    : Exception(message)
{
    public int HttpStatus => httpStatus;

    public StatusCode GrpcCode => grpcCode;

    public JsonObject ToJson()
    {
        var body = new JsonObject { ["errorCode"] = errorCode, ["message"] = Message };
        if (details is not null)
            body["details"] = details.ToJson(Message);
        return body;
    }
}

/// <param name="Metadata">Null: none.</param>
internal sealed record ApiErrorDetails(string Reason, string ResourceName, IReadOnlyDictionary<string, string>? Metadata = null)
{
    public JsonArray ToJson(string description) =>
    [
        new JsonObject
        {
            ["@type"] = "type.googleapis.com/google.rpc.ErrorInfo",
            ["domain"] = "dapr.io",
            ["metadata"] = Metadata is null
                ? null
                : new JsonObject(Metadata.Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)pair.Value))),
            ["reason"] = Reason,
        },
        new JsonObject
        {
            ["@type"] = "type.googleapis.com/google.rpc.ResourceInfo",
            ["description"] = description,
            ["owner"] = "",
            ["resource_name"] = ResourceName,
            ["resource_type"] = "pubsub",
        },
    ];
}
