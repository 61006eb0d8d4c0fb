using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;

namespace PiiMasking.IngestionService.Intake;

/// <summary>Dapr's app API token: daprd shows it with every call, so that nobody else may deliver logins or acknowledge them.</summary>
internal static class AppToken
{
    private const string Setting = "APP_API_TOKEN";
    private const string Policy = "Dapr";

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
