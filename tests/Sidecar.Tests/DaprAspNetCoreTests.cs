using System.Threading.Channels;
using Dapr;
using Dapr.AspNetCore;
using Dapr.Client;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace PiiMasking.Sidecar.Tests;

/// <summary>dapr-contract A2, B4: an app made with Dapr.AspNetCore, as the services are.</summary>
public sealed class DaprAspNetCoreTests
{
    private readonly CancellationToken stopping = TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_app_of_the_SDK_subscribes_receives_and_is_protected_by_its_token()
    {
        var received = Channel.CreateUnbounded<string>();
        using var port = Backing.LoopbackPort.Reserve();
        await using var app = await StartAppAsync(port.Number, received);
        using var setup = new Setup().Flag("app-port", port).Environment("APP_API_TOKEN", "app-token").Pluggable();
        await using var component = await TestComponent.StartAsync(setup.Sockets, features: ["BULK_SUBSCRIBE_IMMEDIATE"]);
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);
        var streams = new Dictionary<string, PulledTopic>();
        while (streams.Count < 3)
        {
            var stream = await component.NextStreamAsync(stopping);
            streams.Add(stream.Name, stream);
        }

        await streams["single"].SendAsync("""
            {"specversion":"1.0","id":"1","source":"s","type":"t","datacontenttype":"application/json","data":{"name":"a"}}
            """);
        Assert.Equal("single a", await received.Reader.ReadAsync(stopping));
        Assert.Null((await streams["single"].AnswerAsync(stopping)).Error);

        await streams["raw"].SendAsync([1, 2, 3]);
        Assert.Equal("raw 010203", await received.Reader.ReadAsync(stopping));
        Assert.Null((await streams["raw"].AnswerAsync(stopping)).Error);

        await streams["bulk"].SendAsync([7, 255], new Dictionary<string, string> { ["sqs-message-id"] = "m" });
        Assert.Equal("bulk 07FF m", await received.Reader.ReadAsync(stopping));
        Assert.Contains("RETRY", (await streams["bulk"].AnswerAsync(stopping)).Error, StringComparison.Ordinal);

        using var stranger = new HttpClient();
        using var refused = await stranger.PostAsync($"http://127.0.0.1:{port}/single", null, stopping);
        Assert.Equal(401, (int)refused.StatusCode);
    }

    private static async Task<WebApplication> StartAppAsync(int port, Channel<string> received)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Configuration.AddInMemoryCollection([KeyValuePair.Create("APP_API_TOKEN", (string?)"app-token")]);
        builder.WebHost.UseUrls($"http://127.0.0.1:{port}");
        builder.Services.AddAuthentication().AddDapr(options => options.Token = "app-token");
        builder.Services.AddAuthorization(options => options.AddDapr());
        var app = builder.Build();
        app.UseCloudEvents();
        app.UseAuthentication();
        app.UseAuthorization();
        app.MapSubscribeHandler().RequireAuthorization("Dapr");

        app.MapPost("/single", (Named value) => received.Writer.TryWrite($"single {value.Name}"))
            .WithTopic("pubsub", "single").RequireAuthorization("Dapr");
        app.MapPost("/raw", async (HttpRequest request) =>
        {
            using var body = new MemoryStream();
            await request.Body.CopyToAsync(body);
            received.Writer.TryWrite($"raw {Convert.ToHexString(body.ToArray())}");
        }).WithTopic("pubsub", "raw", enableRawPayload: true).RequireAuthorization("Dapr");
        app.MapPost("/bulk", (BulkSubscribeMessage<byte[]> message) =>
        {
            var entry = message.Entries.Single();
            received.Writer.TryWrite($"bulk {Convert.ToHexString(entry.Event)} {entry.Metadata["sqs-message-id"]}");
            return new BulkSubscribeAppResponse([new BulkSubscribeAppResponseEntry(entry.EntryId, BulkSubscribeAppResponseStatus.RETRY)]);
        }).WithTopic("pubsub", "bulk", enableRawPayload: true)
            .WithBulkSubscribe(new BulkSubscribeTopicOptions { TopicName = "bulk", MaxMessagesCount = 10, MaxAwaitDurationMs = 20 })
            .RequireAuthorization("Dapr");
        await app.StartAsync();
        return app;
    }

    private sealed record Named(string Name);
}
