using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;

namespace PiiMasking.MaskingService.AppApi;

/// <summary>
/// What the sidecar has to show on the app port: the token in APP_API_TOKEN, which Dapr sends as <c>dapr-api-token</c> with every call.
/// Without that variable the port is as open as its address: loopback or pod only.
/// </summary>
internal static class AppToken
{
    private const string Policy = "Dapr";
    private const string Variable = "APP_API_TOKEN";

    public static void AddAppToken(this WebApplicationBuilder builder)
    {
        builder.Services.AddAuthentication().AddDapr();
        builder.Services.AddAuthorization(options => options.AddDapr(Policy));
    }

    /// <summary>Answers 401 without the token, if there is one to ask for.</summary>
    public static TBuilder RequireAppToken<TBuilder>(this TBuilder route)
        where TBuilder : IEndpointConventionBuilder =>
        Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } ? route.RequireAuthorization(Policy) : route;
}
