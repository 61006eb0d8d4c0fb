using System.Collections.Concurrent;
using System.Net;
using System.Text;
using System.Threading.Channels;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace PiiMasking.Sidecar.Tests;

/// <summary>What the app was asked, as it came.</summary>
internal sealed record Asked(string Method, string Target, IReadOnlyDictionary<string, string> Headers, byte[] Body)
{
    public string Text => Encoding.UTF8.GetString(Body);

    public System.Text.Json.JsonElement Json => System.Text.Json.JsonDocument.Parse(Body).RootElement;
}

/// <summary>A tiny app: keeps what it is asked, and answers what the test says.</summary>
internal sealed class TestApp : IAsyncDisposable
{
    private readonly WebApplication host;
    private readonly ConcurrentDictionary<string, Func<HttpContext, Task>> handlers = new(StringComparer.Ordinal);
    private readonly Channel<Asked> asked = Channel.CreateUnbounded<Asked>();

    private TestApp(WebApplication host) => this.host = host;

    public int Port { get; private set; }

    public static async Task<TestApp> StartAsync(
        int port = 0, HttpProtocols protocols = HttpProtocols.Http1, CancellationToken stopping = default)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Listen(IPAddress.Loopback, port, listen => listen.Protocols = protocols);
        });
        var host = builder.Build();
        var app = new TestApp(host);
        host.Run(app.HandleAsync);
        await host.StartAsync(stopping);
        var addresses = host.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses;
        app.Port = new Uri(addresses.Single()).Port;
        return app;
    }

    /// <summary>What GET /dapr/subscribe answers.</summary>
    public TestApp Subscribes(string json) => On("/dapr/subscribe", 200, json);

    public TestApp On(string path, Func<HttpContext, Task> handler)
    {
        handlers[path] = handler;
        return this;
    }

    public TestApp On(string path, int status, string body = "") => On(path, context =>
    {
        context.Response.StatusCode = status;
        return context.Response.WriteAsync(body);
    });

    /// <summary>The next request that the app got, other than probes and /dapr/config.</summary>
    public async Task<Asked> NextAsync(CancellationToken stopping)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        limit.CancelAfter(TimeSpan.FromSeconds(15));
        return await asked.Reader.ReadAsync(limit.Token);
    }

    public bool HasMore => asked.Reader.Count > 0;

    public ValueTask DisposeAsync() => host.DisposeAsync();

    public Task StopAsync() => host.StopAsync();

    private async Task HandleAsync(HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        var path = context.Request.Path.Value!;
        if (path is not ("/dapr/config" or "/healthz"))
        {
            var headers = context.Request.Headers.ToDictionary(
                header => header.Key, header => header.Value.ToString(), StringComparer.OrdinalIgnoreCase);
            var target = context.Features.Get<IHttpRequestFeature>()!.RawTarget;
            asked.Writer.TryWrite(new Asked(context.Request.Method, target, headers, body.ToArray()));
        }

        context.Items["body"] = body.ToArray();
        if (handlers.TryGetValue(path, out var handler))
            await handler(context);
        else if (HttpMethods.IsGet(context.Request.Method))
            context.Response.StatusCode = StatusCodes.Status404NotFound;
    }
}
