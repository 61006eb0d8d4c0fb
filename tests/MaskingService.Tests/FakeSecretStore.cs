using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace PiiMasking.MaskingService.Tests;

/// <summary>The secrets API of a sidecar over real HTTP: <c>GET /v1.0/secrets/secrets/{name}</c>.</summary>
internal sealed class FakeSecretStore : IAsyncDisposable
{
    private readonly WebApplication app;

    private FakeSecretStore(WebApplication app) => this.app = app;

    /// <summary>The secrets by name; change them at any time.</summary>
    public ConcurrentDictionary<string, string> Secrets { get; } = new();

    public string Endpoint => app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();

    public static async Task<FakeSecretStore> StartAsync()
    {
        // Empty: the service's own settings file lies beside the tests and is none of its business.
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        builder.Services.AddRoutingCore();
        var store = new FakeSecretStore(builder.Build());
        store.app.MapGet("/v1.0/secrets/{store}/{name}", (string name) => store.Secrets.TryGetValue(name, out var value)
            ? Results.Json(new Dictionary<string, string> { [name] = value })
            : Results.Json(new { errorCode = "ERR_SECRET_GET", message = $"failed getting secret with key {name}" }, statusCode: 500));
        await store.app.StartAsync();
        return store;
    }

    public ValueTask DisposeAsync() => app.DisposeAsync();
}
