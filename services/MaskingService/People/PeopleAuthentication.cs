using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Authorization;
using Microsoft.Extensions.Options;
using Microsoft.IdentityModel.Tokens;
using PiiMasking.ServiceDefaults;

namespace PiiMasking.MaskingService.People;

/// <summary>Bearer tokens of people, apart from the token of the app port: a scheme of its own, and a policy for each scope.</summary>
internal static class PeopleAuthentication
{
    /// <summary>Name of the authentication scheme.</summary>
    public const string Scheme = "People";

    private const int SmallestKeyBytes = 32;
    private static readonly TimeSpan ClockSkew = TimeSpan.FromSeconds(30);

    public static void AddPeopleAuthentication(this IHostApplicationBuilder builder)
    {
        builder.Services.AddAuthentication().AddJwtBearer(Scheme, _ => { });
        builder.Services.AddOptions<JwtBearerOptions>(Scheme)
            .Configure<IOptions<PeopleOptions>>((bearer, people) => Configure(bearer, people.Value))
            .ValidateOnStart();
        builder.Services.AddSingleton<IAuthorizationMiddlewareResultHandler, PeopleAuthorizationResult>();
        builder.Services.AddAuthorization(authorization =>
        {
            foreach (var scope in Scopes.All)
            {
                authorization.AddPolicy(scope, policy => policy
                    .AddAuthenticationSchemes(Scheme)
                    .RequireAuthenticatedUser()
                    .RequireAssertion(context => Scopes.Has(context.User, scope)));
            }
        });
    }

    private static void Configure(JwtBearerOptions bearer, PeopleOptions people)
    {
        bearer.MapInboundClaims = false;
        bearer.SaveToken = false;
        // What exactly is wrong with a token concerns its issuer, not whoever sends it.
        bearer.IncludeErrorDetails = false;
        bearer.TokenValidationParameters = new TokenValidationParameters
        {
            NameClaimType = "sub",
            ValidAudience = people.Audience,
            RequireSignedTokens = true,
            RequireExpirationTime = true,
            ClockSkew = ClockSkew,
        };
        if (people.SigningKeyFile is { } file)
        {
            bearer.TokenValidationParameters.ValidIssuer = people.Issuer;
            bearer.TokenValidationParameters.IssuerSigningKey = ReadKey(file);
            bearer.TokenValidationParameters.ValidAlgorithms = [SecurityAlgorithms.HmacSha256];
        }
        else
        {
            bearer.Authority = people.Authority?.ToString();
            bearer.RequireHttpsMetadata = people.Authority is { IsLoopback: false };
            // Never a symmetric one: an issuer's public key must not pass as a shared secret.
            bearer.TokenValidationParameters.ValidAlgorithms =
            [
                SecurityAlgorithms.RsaSha256, SecurityAlgorithms.RsaSha384, SecurityAlgorithms.RsaSha512,
                SecurityAlgorithms.RsaSsaPssSha256, SecurityAlgorithms.RsaSsaPssSha384, SecurityAlgorithms.RsaSsaPssSha512,
                SecurityAlgorithms.EcdsaSha256, SecurityAlgorithms.EcdsaSha384, SecurityAlgorithms.EcdsaSha512,
            ];
        }

        bearer.Events = new JwtBearerEvents
        {
            OnTokenValidated = context =>
            {
                // The audit must be able to say who it was.
                if (context.Principal?.FindFirst("sub")?.Value is not { } subject || string.IsNullOrWhiteSpace(subject)
                    || context.Principal.Claims.Any(claim => claim.Type is "sub" or "azp" or "client_id"
                        && !PeopleText.IsPlain(claim.Value, PeopleText.MaxName)))
                {
                    context.Fail("The token names no subject.");
                }

                return Task.CompletedTask;
            },
            OnMessageReceived = async context =>
            {
                // Whether a token is good cannot be said while the issuer's keys cannot be had: that is no refusal. Cached once it has
                // worked.
                if (context.Options.ConfigurationManager is not { } issuer || context.Request.Headers.Authorization.Count == 0)
                    return;
                try
                {
                    await issuer.GetConfigurationAsync(context.HttpContext.RequestAborted);
                }
                catch (Exception e) when (e is InvalidOperationException or IOException or HttpRequestException)
                {
                    context.HttpContext.RequestServices.GetRequiredService<ILogger<PeopleAuthorizationResult>>().IssuerAway(
                        e.GetType().Name);
                    throw new PeopleUnavailableException(
                        "Bearer tokens cannot be checked now: the issuer (People:Authority) does not give out its keys.");
                }
            },
        };
    }

    private static SymmetricSecurityKey ReadKey(string file)
    {
        try
        {
            var key = Convert.FromBase64String(File.ReadAllText(file).Trim());
            return key.Length >= SmallestKeyBytes
                ? new SymmetricSecurityKey(key)
                : throw new StartupException($"{file} (People:SigningKeyFile) must hold at least {SmallestKeyBytes} bytes as base64.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException)
        {
            throw new StartupException(
                $"{file} (People:SigningKeyFile) cannot be read as base64. Make one with 'openssl rand -base64 32'.");
        }
    }
}
