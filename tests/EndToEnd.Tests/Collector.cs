using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace PiiMasking.EndToEnd.Tests;

/// <summary>Takes traces and metrics as an OTLP collector does, and keeps their bytes.</summary>
internal sealed class Collector : IAsyncDisposable
{
    private readonly ConcurrentQueue<(string Path, byte[] Body)> exports = new();
    private readonly WebApplication app;

    private Collector(WebApplication app) => this.app = app;

    /// <summary>What has to be set for a program that is to export to it, soon.</summary>
    public Dictionary<string, string?> Environment => new()
    {
        ["OTEL_EXPORTER_OTLP_ENDPOINT"] = app.Urls.Single(),
        ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
        ["OTEL_METRIC_EXPORT_INTERVAL"] = "1000",
        ["OTEL_BSP_SCHEDULE_DELAY"] = "500",
        ["OTEL_TRACES_SAMPLER"] = "always_on",
    };

    /// <summary>The exports of one kind so far.</summary>
    /// <param name="kind"><c>traces</c> or <c>metrics</c>.</param>
    public IEnumerable<byte[]> Of(string kind) => exports.Where(export => export.Path.EndsWith(kind, StringComparison.Ordinal)).Select(export => export.Body);

    public static async Task<Collector> StartAsync()
    {
        // Empty: no appsettings.json is looked for, and no folder watched for changes of one.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        builder.Services.AddRoutingCore();
        var app = builder.Build();
        var collector = new Collector(app);
        app.MapPost("/{**path}", async (HttpRequest request) =>
        {
            using var body = new MemoryStream();
            await request.Body.CopyToAsync(body);
            collector.exports.Enqueue((request.Path, body.ToArray()));
        });
        await app.StartAsync();
        return collector;
    }

    public async ValueTask DisposeAsync() => await app.DisposeAsync();
}
