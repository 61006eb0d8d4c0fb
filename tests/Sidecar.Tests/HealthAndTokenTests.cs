using System.Text.Json;
using Dapr;
using Dapr.Client;
using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Reflection.V1Alpha;

namespace PiiMasking.Sidecar.Tests;

/// <summary>dapr-contract F2 to F4, H1.</summary>
public sealed class HealthAndTokenTests
{
    private readonly CancellationToken stopping = TestContext.Current.CancellationToken;

    [Fact]
    public async Task Outbound_health_comes_before_the_app_and_health_with_it()
    {
        using var port = Backing.LoopbackPort.Reserve();
        using var setup = new Setup().Flag("app-port", port).InMemory();
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);
        using var client = sidecar.Client();

        using (var notReady = await sidecar.Http.GetAsync("/v1.0/healthz", stopping))
        {
            Assert.Equal(500, (int)notReady.StatusCode);
            Assert.Equal(
                """{"errorCode":"ERR_HEALTH_NOT_READY","message":"dapr is not ready"}""",
                await notReady.Content.ReadAsStringAsync(stopping));
        }

        Assert.True(await client.CheckOutboundHealthAsync(stopping));
        Assert.False(await client.CheckHealthAsync(stopping));
        await client.WaitForSidecarAsync(stopping);

        await using var app = await TestApp.StartAsync(port.Number, stopping: stopping);
        await Testing.Eventually.HoldsAsync("the sidecar is ready", () => client.CheckHealthAsync(stopping), stopping: stopping);
        Assert.Equal("/dapr/subscribe", (await app.NextAsync(stopping)).Target);
    }

    [Fact]
    public async Task Without_an_app_health_is_there_at_once_and_knows_its_app_id()
    {
        using var setup = new Setup();
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);

        foreach (var (target, status) in ((string, int)[])
            [("/v1.0/healthz", 204), ("/v1.0/healthz?appid=app", 204), ("/v1.0/healthz?appid=other", 500), ("/v1.0/healthz/outbound", 204)])
        {
            using var response = await sidecar.Http.GetAsync(target, stopping);
            Assert.Equal((target, status), (target, (int)response.StatusCode));
        }
    }

    [Theory]
    [InlineData("GET", "/v1.0/healthz", 204)]
    [InlineData("GET", "/v1.0/healthz/outbound", 204)]
    [InlineData("GET", "/v1.0/metadata", 401)]
    [InlineData("POST", "/v1.0/healthz", 401)]
    [InlineData("POST", "/v1.0/publish/pubsub/t", 401)]
    [InlineData("GET", "/v1.0/secrets/s/k", 401)]
    [InlineData("GET", "/v1.0/invoke/app/method/x", 401)]
    [InlineData("POST", "/v1.0/shutdown", 401)]
    public async Task Without_the_token_only_health_is_answered(string method, string target, int status)
    {
        using var setup = new Setup().Environment("DAPR_API_TOKEN", "api-token");
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);

        foreach (var shown in (string?[])[null, "wrong", "api-token2"])
        {
            using var http = new HttpClient { BaseAddress = new Uri(sidecar.HttpEndpoint) };
            using var request = new HttpRequestMessage(new HttpMethod(method), target);
            if (shown is not null)
                request.Headers.Add("dapr-api-token", shown);
            using var response = await http.SendAsync(request, stopping);

            Assert.Equal(status, (int)response.StatusCode);
            if (status == 401)
                Assert.Equal("invalid api token", await response.Content.ReadAsStringAsync(stopping));
        }
    }

    [Fact]
    public async Task Without_the_token_every_gRPC_call_is_Unauthenticated_reflection_too()
    {
        using var setup = new Setup().Secrets("""{"a":"1"}""").Environment("DAPR_API_TOKEN", "api-token");
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);
        using var stranger = new DaprClientBuilder()
            .UseHttpEndpoint(sidecar.HttpEndpoint).UseGrpcEndpoint(sidecar.GrpcEndpoint).UseDaprApiToken("").Build();
        using var known = sidecar.Client();
        using var channel = GrpcChannel.ForAddress(sidecar.GrpcEndpoint);

        var refused = await Assert.ThrowsAsync<DaprException>(() => stranger.GetSecretAsync("secrets", "a", cancellationToken: stopping));
        using var reflection = new ServerReflection.ServerReflectionClient(channel).ServerReflectionInfo(cancellationToken: stopping);
        var hidden = await Assert.ThrowsAsync<RpcException>(() => reflection.ResponseStream.MoveNext(stopping));

        Assert.Equal(StatusCode.Unauthenticated, Assert.IsType<RpcException>(refused.InnerException).StatusCode);
        Assert.Equal(StatusCode.Unauthenticated, hidden.StatusCode);
        Assert.Equal("1", (await known.GetSecretAsync("secrets", "a", cancellationToken: stopping))["a"]);
    }

    [Fact]
    public async Task Reflection_lists_Daprs_service()
    {
        using var setup = new Setup();
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);
        using var channel = GrpcChannel.ForAddress(sidecar.GrpcEndpoint);
        using var reflection = new ServerReflection.ServerReflectionClient(channel).ServerReflectionInfo(cancellationToken: stopping);

        await reflection.RequestStream.WriteAsync(new ServerReflectionRequest { ListServices = "*" }, stopping);
        Assert.True(await reflection.ResponseStream.MoveNext(stopping));

        var services = reflection.ResponseStream.Current.ListServicesResponse.Service;
        Assert.Contains("dapr.proto.runtime.v1.Dapr", services.Select(service => service.Name));
    }

    [Fact]
    public async Task Metadata_says_what_is_loaded_and_keeps_what_is_put()
    {
        await using var app = await TestApp.StartAsync(stopping: stopping);
        using var setup = new Setup().App(app).InMemory().Secrets("{}", ", { name: multiValued, value: 'true' }");
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);
        using var client = sidecar.Client();

        using var put = await sidecar.Http.PutAsync("/v1.0/metadata/colour", new StringContent("blue"), stopping);
        await client.SetMetadataAsync("size", "large", stopping);
        var json = JsonDocument.Parse(await sidecar.Http.GetStringAsync("/v1.0/metadata", stopping)).RootElement;
        var sdk = await client.GetMetadataAsync(stopping);

        Assert.Equal(204, (int)put.StatusCode);
        Assert.Equal("app", json.GetProperty("id").GetString());
        Assert.NotEmpty(json.GetProperty("runtimeVersion").GetString()!);
        var extended = json.GetProperty("extended");
        Assert.Equal(("blue", "large"), (extended.GetProperty("colour").GetString(), extended.GetProperty("size").GetString()));
        Assert.Equal(app.Port, json.GetProperty("appConnectionProperties").GetProperty("port").GetInt32());
        Assert.Equal("app", sdk.Id);
        Assert.Equal("blue", sdk.Extended["colour"]);
        Assert.Equal(
            [("pubsub", "pubsub.in-memory", "v1"), ("secrets", "secretstores.local.file", "v1")],
            sdk.Components.Select(component => (component.Name, component.Type, component.Version)).Order());
        Assert.Equal(["MULTIPLE_KEY_VALUES_PER_SECRET"], sdk.Components.Single(component => component.Name == "secrets").Capabilities);
    }

    [Fact]
    public async Task Shutdown_is_answered_and_then_happens()
    {
        using var setup = new Setup();
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);
        var entry = setup["names.db.apps/app"];
        Assert.Equal($"127.0.0.1:{sidecar.Options.InternalPort}", await File.ReadAllTextAsync(entry, stopping));

        await sidecar.StopAsync();

        Assert.False(File.Exists(entry));
        await Assert.ThrowsAsync<HttpRequestException>(() => sidecar.Http.GetAsync("/v1.0/healthz", stopping));
    }

    [Fact]
    public async Task The_SDK_can_shut_it_down()
    {
        using var setup = new Setup();
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);
        using var client = sidecar.Client();

        await client.ShutdownSidecarAsync(stopping);

        await Testing.Eventually.HoldsAsync("it is down", async () => !await client.CheckHealthAsync(stopping), stopping: stopping);
    }

    [Fact]
    public async Task Each_port_serves_its_own_API_only()
    {
        using var setup = new Setup();
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);
        using var http2 = new HttpClient
        {
            DefaultRequestVersion = new Version(2, 0),
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };

        using var health = await http2.GetAsync($"{sidecar.GrpcEndpoint}/v1.0/metadata", stopping);
        using var grpc = await sidecar.Http.PostAsync("/dapr.proto.runtime.v1.Dapr/GetMetadata", new StringContent(""), stopping);

        Assert.NotEqual(200, (int)health.StatusCode);
        Assert.Contains("ERR_DIRECT_INVOKE", await grpc.Content.ReadAsStringAsync(stopping), StringComparison.Ordinal);
    }
}
