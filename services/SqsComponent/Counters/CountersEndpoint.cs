using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http.HttpResults;

namespace PiiMasking.SqsComponent.Counters;

internal static partial class CountersEndpoint
{
    public static void AddCounters(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<MessageCounters>();
        builder.Services.AddSingleton<QueueDepths>();
        builder.Services.AddHostedService(services => services.GetRequiredService<QueueDepths>());
    }

    public static void MapCounters(this IEndpointRouteBuilder routes) => routes.MapGet("/counters", Read);

    private static JsonHttpResult<CounterValues> Read(MessageCounters counters) =>
        TypedResults.Json(counters.Values, CountersJson.Default.CounterValues);

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
    [JsonSerializable(typeof(CounterValues))]
    private sealed partial class CountersJson : JsonSerializerContext;
}
