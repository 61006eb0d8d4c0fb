using PiiMasking.SqsComponent.Instances;

namespace PiiMasking.SqsComponent.Sidecar;

internal static class PubSubRegistration
{
    // A bulk of messages that apps publish comes in one call.
    private const int MaxReceiveBytes = 64 << 20;

    public static void AddPubSub(this WebApplicationBuilder builder)
    {
        builder.Services.AddGrpc(grpc => grpc.MaxReceiveMessageSize = MaxReceiveBytes);
        // A sidecar ends every stream by cancelling it, which is told there with a stack.
        builder.Logging.AddFilter("Grpc.AspNetCore.Server.ServerCallHandler", LogLevel.Warning);
        // The sidecar asks it for the services of the socket, by v1alpha.
        builder.Services.AddGrpcReflection();
        builder.Services.AddSingleton<ComponentInstances>();
        builder.Services.AddSingleton<PullStreams>();
        builder.Services.AddHostedService<StopOnMistake>();
    }

    public static void MapPubSub(this IEndpointRouteBuilder routes)
    {
        routes.MapGrpcService<PubSubService>();
        routes.MapGrpcReflectionService();
    }
}
