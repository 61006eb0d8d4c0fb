using Microsoft.AspNetCore.Connections.Features;

namespace PiiMasking.MaskingService.Listeners;

/// <summary>
/// The two doors of this service, as named under "Kestrel:Endpoints". What belongs to one is not there on the other: the sidecar, which
/// reaches only <see cref="App"/>, can never be talked into calling what people use, nor people into storing logins.
/// </summary>
internal static class Listener
{
    /// <summary>For the sidecar: loopback or pod only.</summary>
    public const string App = nameof(App);

    /// <summary>For people and their tools.</summary>
    public const string People = nameof(People);

    private sealed record Belongs(string Listener);

    /// <summary>Names the listener on each of its connections, so that requests can be told apart whatever their Host header says.</summary>
    public static void AddListeners(this WebApplicationBuilder builder) =>
        builder.WebHost.ConfigureKestrel((context, kestrel) =>
        {
            var endpoints = kestrel.Configure(context.Configuration.GetSection("Kestrel"), reloadOnChange: false);
            foreach (var name in (string[])[App, People])
            {
                endpoints.Endpoint(name, endpoint => endpoint.ListenOptions.Use(next => connection =>
                {
                    connection.Items[typeof(Listener)] = name;
                    return next(connection);
                }));
            }
        });

    /// <summary>Answers 404 to a request that came in by the wrong listener.</summary>
    /// <param name="app">The service.</param>
    /// <param name="turnedAway">Told of each such request.</param>
    public static void UseListeners(this WebApplication app, Action<HttpContext> turnedAway) =>
        app.Use((context, next) =>
        {
            if (context.GetEndpoint()?.Metadata.GetMetadata<Belongs>() is { } belongs && belongs.Listener != Of(context))
            {
                turnedAway(context);
                context.Response.StatusCode = StatusCodes.Status404NotFound;
                return Task.CompletedTask;
            }

            return next(context);
        });

    /// <summary>Makes a route exist on one listener only.</summary>
    public static TBuilder On<TBuilder>(this TBuilder route, string listener)
        where TBuilder : IEndpointConventionBuilder => route.WithMetadata(new Belongs(listener));

    private static string? Of(HttpContext context) =>
        context.Features.Get<IConnectionItemsFeature>()?.Items.TryGetValue(typeof(Listener), out var name) is true ? name as string : null;
}
