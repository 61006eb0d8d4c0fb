using System.Buffers.Text;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace PiiMasking.MaskingService.Tests.People;

/// <summary>An issuer of tokens as the service sees it: its OpenID Connect metadata and its public key, over real HTTP.</summary>
internal sealed class FakeIssuer : IAsyncDisposable
{
    private readonly WebApplication app;

    private FakeIssuer(WebApplication app) => this.app = app;

    public RSA Key { get; } = RSA.Create(2048);

    public string Address { get; private set; } = "";

    /// <summary>Whether it answers.</summary>
    public bool IsUp { get; set; } = true;

    public static async Task<FakeIssuer> StartAsync()
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        builder.Services.AddRoutingCore();
        var issuer = new FakeIssuer(builder.Build());
        issuer.app.MapGet("/.well-known/openid-configuration", () => issuer.IsUp
            ? Results.Json(new { issuer = issuer.Address, jwks_uri = $"{issuer.Address}/keys" })
            : Results.StatusCode(StatusCodes.Status503ServiceUnavailable));
        issuer.app.MapGet("/keys", () =>
        {
            var key = issuer.Key.ExportParameters(includePrivateParameters: false);
            return Results.Json(new
            {
                keys = new[]
                {
                    new { kty = "RSA", use = "sig", alg = "RS256", n = Base64Url.EncodeToString(key.Modulus), e = Base64Url.EncodeToString(key.Exponent) },
                },
            });
        });
        await issuer.app.StartAsync();
        issuer.Address = issuer.app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        return issuer;
    }

    public async ValueTask DisposeAsync()
    {
        await app.DisposeAsync();
        Key.Dispose();
    }
}
