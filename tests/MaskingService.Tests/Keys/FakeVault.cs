using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Azure.Core;
using Azure.Core.Pipeline;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace PiiMasking.MaskingService.Tests.Keys;

/// <summary>A Key Vault over real TLS, with the keys of the vectors. Every host name leads to it.</summary>
internal sealed class FakeVault : IAsyncDisposable
{
    public const string Token = "token-for-the-vault";

    private readonly WebApplication app;
    private readonly X509Certificate2 certificate;
    private readonly SocketsHttpHandler handler;

    private FakeVault(WebApplication app, X509Certificate2 certificate)
    {
        this.app = app;
        this.certificate = certificate;
        handler = new SocketsHttpHandler
        {
            UseProxy = false,
            ConnectCallback = async (_, stopping) =>
            {
                var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
                await socket.ConnectAsync(IPAddress.Loopback, Port, stopping);
                return new NetworkStream(socket, ownsSocket: true);
            },
        };
        handler.SslOptions.RemoteCertificateValidationCallback = (_, presented, _, _) => presented?.GetCertHashString() == certificate.GetCertHashString();
        Transport = new HttpClientTransport(new HttpClient(handler));
    }

    /// <summary>Leads every request to this vault.</summary>
    public HttpPipelineTransport Transport { get; }

    public TokenCredential Credential { get; } = new FixedCredential();

    /// <summary>The host names and paths that were called.</summary>
    public ConcurrentQueue<string> Calls { get; } = new();

    /// <summary>Answers in place of the vault, call by call, until it is null again.</summary>
    public Func<HttpContext, Task>? Instead { get; set; }

    private int Port => new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single()).Port;

    public static async Task<FakeVault> StartAsync()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=fake vault", key, HashAlgorithmName.SHA256);
        using var selfSigned = request.CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(100));
        var certificate = X509CertificateLoader.LoadPkcs12(selfSigned.Export(X509ContentType.Pkcs12), null);

        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration()
            .ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(certificate)));
        builder.Services.AddRoutingCore();
        var vault = new FakeVault(builder.Build(), certificate);
        vault.app.MapPost("/keys/{name}/{version}/unwrapkey", vault.UnwrapAsync);
        await vault.app.StartAsync();
        return vault;
    }

    public async ValueTask DisposeAsync()
    {
        handler.Dispose();
        await app.DisposeAsync();
        certificate.Dispose();
    }

    private async Task UnwrapAsync(HttpContext context, string name, string version)
    {
        Calls.Enqueue($"{context.Request.Host}{context.Request.Path}");
        if (Instead is { } instead)
        {
            await instead(context);
            return;
        }

        Assert.Equal("7.4", context.Request.Query["api-version"]);
        Assert.Equal("Bearer " + Token, context.Request.Headers.Authorization);
        using var body = await JsonDocument.ParseAsync(context.Request.Body);
        Assert.Equal(["alg", "value"], body.RootElement.EnumerateObject().Select(member => member.Name));
        Assert.Equal("RSA-OAEP-256", body.RootElement.Text("alg"));
        var value = body.RootElement.Text("value");

        // The recorded answer, where the vectors have one; what a real vault would do, where they have not.
        var recorded = JweVectors.Tests.FirstOrDefault(test => test.TryGetProperty("unwrapRequest", out var request) && request.Text("value") == value);
        if (recorded.ValueKind == JsonValueKind.Object)
        {
            await context.Response.WriteAsJsonAsync(recorded.GetProperty("unwrapResponse"));
            return;
        }

        using var rsa = RSA.Create();
        rsa.ImportFromPem(JweVectors.Key(name).Text("privatePem"));
        try
        {
            var contentKey = rsa.Decrypt(Base64Url.DecodeFromChars(value), RSAEncryptionPadding.OaepSHA256);
            await context.Response.WriteAsJsonAsync(new
            {
                kid = $"https://{context.Request.Host}/keys/{name}/{version}",
                value = Base64Url.EncodeToString(contentKey),
            });
        }
        catch (CryptographicException)
        {
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            await context.Response.WriteAsJsonAsync(new { error = new { code = "BadParameter", message = "The parameter is incorrect." } });
        }
    }

    private sealed class FixedCredential : TokenCredential
    {
        public override AccessToken GetToken(TokenRequestContext requestContext, CancellationToken cancellationToken)
        {
            Assert.Equal(["https://vault.azure.net/.default"], requestContext.Scopes);
            return new AccessToken(Token, TimeProvider.System.GetUtcNow().AddHours(1));
        }

        public override ValueTask<AccessToken> GetTokenAsync(TokenRequestContext requestContext, CancellationToken cancellationToken) =>
            new(GetToken(requestContext, cancellationToken));
    }
}
