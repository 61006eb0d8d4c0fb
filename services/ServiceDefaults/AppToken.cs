using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace PiiMasking.ServiceDefaults;

/// <summary>Dapr's app API token (<c>APP_API_TOKEN</c>): daprd shows it with every call, so that nobody else may use the app port.</summary>
public static class AppToken
{
    private const string Setting = "APP_API_TOKEN";
    private const string Policy = "Dapr";

    /// <summary>Registers the check. Any number of other authentication schemes may stand beside it.</summary>
    public static void AddAppToken(this WebApplicationBuilder builder)
    {
        // Not AddAuthentication: that brings data protection along, which writes keys for cookies to the disk of a service that has none.
        builder.Services.AddAuthenticationCore().AddWebEncoders();
        new AuthenticationBuilder(builder.Services).AddDapr(dapr => dapr.Token = builder.Configuration[Setting]);
        builder.Services.AddAuthorization(authorization => authorization.AddDapr(Policy));
    }

    /// <summary>Closes routes to callers without the token. Without a token configured they stay open, and the log says so.</summary>
    public static void RequireAppToken(this WebApplication app, params ReadOnlySpan<IEndpointConventionBuilder> routes)
    {
        if (string.IsNullOrEmpty(app.Configuration[Setting]))
        {
            app.Logger.NoAppToken();
            return;
        }

        foreach (var route in routes)
            route.RequireAuthorization(Policy);
    }
}

internal static partial class Log
{
    [LoggerMessage(1003, LogLevel.Warning, "APP_API_TOKEN is not set: whoever reaches the app port may call it")]
    public static partial void NoAppToken(this ILogger logger);
}
