using System.Text.Json;
using Dapr;
using Grpc.Core;

namespace PiiMasking.Sidecar.Tests;

/// <summary>dapr-contract F2, F3, G5, I4.</summary>
public sealed class SecretsTests
{
    private readonly CancellationToken stopping = TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("secrets/plain", 200, """{"plain":"value"}""")]
    [InlineData("secrets/outer:inner", 200, """{"outer:inner":"x"}""")]
    [InlineData("secrets/outer%3Alist%3A1", 200, """{"outer:list:1":"b"}""")]
    [InlineData("secrets/number", 200, """{"number":"%!s(float64=1)"}""")]
    [InlineData("secrets/yes", 200, """{"yes":"%!s(bool=true)"}""")]
    [InlineData("secrets/nothing", 200, """{"nothing":"%!s(\u003cnil\u003e)"}""")]
    [InlineData("secrets/missing", 500, "ERR_SECRET_GET")]
    [InlineData("secrets/outer", 500, "ERR_SECRET_GET")]
    [InlineData("secrets/denied", 403, "ERR_PERMISSION_DENIED")]
    [InlineData("nope/plain", 401, "ERR_SECRET_STORE_NOT_FOUND")]
    public async Task One_secret_is_read_over_HTTP(string target, int status, string expected)
    {
        using var setup = new Setup()
            .Secrets("""{"plain":"value","outer":{"inner":"x","list":["a","b"]},"number":1,"yes":true,"nothing":null,"denied":"d"}""")
            .Configuration("{ secrets: { scopes: [{ storeName: secrets, deniedSecrets: [denied] }] } }");
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);

        using var response = await sidecar.Http.GetAsync($"/v1.0/secrets/{target}", stopping);
        var body = await response.Content.ReadAsStringAsync(stopping);

        Assert.Equal(status, (int)response.StatusCode);
        if (status == 200)
            Assert.True(JsonElement.DeepEquals(JsonDocument.Parse(expected).RootElement, JsonDocument.Parse(body).RootElement), body);
        else
            Assert.Equal(expected, JsonDocument.Parse(body).RootElement.GetProperty("errorCode").GetString());
    }

    [Fact]
    public async Task All_secrets_that_the_scopes_allow_are_read_at_once()
    {
        using var setup = new Setup().Secrets("""{"a":"1","b":"2","c":{"d":"3"}}""")
            .Configuration("{ secrets: { scopes: [{ storeName: secrets, defaultAccess: deny, allowedSecrets: [a, 'c:d'] }] } }");
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);
        using var client = sidecar.Client();

        var http = await sidecar.Http.GetStringAsync("/v1.0/secrets/secrets/bulk", stopping);
        var sdk = await client.GetBulkSecretAsync("secrets", cancellationToken: stopping);

        Assert.Equal("""{"a":{"a":"1"},"c:d":{"c:d":"3"}}""", http);
        Assert.Equal(["a", "c:d"], sdk.Keys.Order());
        Assert.Equal("3", sdk["c:d"]["c:d"]);
    }

    [Fact]
    public async Task With_multiValued_an_object_is_one_secret()
    {
        using var setup = new Setup().Secrets(
            """{"db":{"user":"u","conn":{"host":"h"}},"plain":"p","ignored":5}""",
            ", { name: multiValued, value: 'true' }, { name: nestedSeparator, value: '.' }");
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);
        using var client = sidecar.Client();

        var database = await client.GetSecretAsync("secrets", "db", cancellationToken: stopping);
        var plain = await client.GetSecretAsync("secrets", "plain", cancellationToken: stopping);
        var all = await client.GetBulkSecretAsync("secrets", cancellationToken: stopping);

        Assert.Equal(new Dictionary<string, string> { ["user"] = "u", ["conn.host"] = "h" }, database);
        Assert.Equal("p", plain["plain"]);
        Assert.Equal(["db", "plain"], all.Keys.Order());
    }

    [Fact]
    public async Task The_file_is_read_once()
    {
        using var setup = new Setup().Secrets("""{"a":"1"}""");
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);

        await File.WriteAllTextAsync(setup["secrets.json"], """{"a":"2"}""", stopping);

        Assert.Equal("""{"a":"1"}""", await sidecar.Http.GetStringAsync("/v1.0/secrets/secrets/a", stopping));
    }

    [Theory]
    [InlineData("nope", "a", StatusCode.InvalidArgument)]
    [InlineData("secrets", "missing", StatusCode.Internal)]
    [InlineData("secrets", "denied", StatusCode.PermissionDenied)]
    public async Task The_SDK_sees_daprds_codes(string store, string key, StatusCode code)
    {
        using var setup = new Setup().Secrets("""{"denied":"1"}""")
            .Configuration("{ secrets: { scopes: [{ storeName: secrets, deniedSecrets: [denied] }] } }");
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);
        using var client = sidecar.Client();

        var failed = await Assert.ThrowsAsync<DaprException>(() => client.GetSecretAsync(store, key, cancellationToken: stopping));

        Assert.Equal(code, Assert.IsType<RpcException>(failed.InnerException).StatusCode);
    }

    [Fact]
    public async Task Without_any_store_nothing_is_configured()
    {
        using var setup = new Setup();
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);
        using var client = sidecar.Client();

        using var response = await sidecar.Http.GetAsync("/v1.0/secrets/secrets/a", stopping);
        var failed = await Assert.ThrowsAsync<DaprException>(() => client.GetSecretAsync("secrets", "a", cancellationToken: stopping));

        Assert.Equal(500, (int)response.StatusCode);
        Assert.Contains("ERR_SECRET_STORES_NOT_CONFIGURED", await response.Content.ReadAsStringAsync(stopping), StringComparison.Ordinal);
        Assert.Equal(StatusCode.FailedPrecondition, Assert.IsType<RpcException>(failed.InnerException).StatusCode);
    }

    [Fact]
    public async Task The_environment_is_a_store_that_hides_Daprs_own_variables()
    {
        Environment.SetEnvironmentVariable("SIDECARTEST_SECRETS_ONE", "1");
        Environment.SetEnvironmentVariable("DAPR_SIDECARTEST", "hidden");
        using var setup = new Setup().Resource("""
            apiVersion: dapr.io/v1alpha1
            kind: Component
            metadata: { name: all }
            spec: { type: secretstores.local.env, version: v1 }
            ---
            apiVersion: dapr.io/v1alpha1
            kind: Component
            metadata: { name: some }
            spec: { type: secretstores.local.env, version: v1, metadata: [{ name: prefix, value: SIDECARTEST_SECRETS_ }] }
            """);
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);

        Assert.Equal("""{"ONE":"1"}""", await sidecar.Http.GetStringAsync("/v1.0/secrets/some/ONE", stopping));
        Assert.Equal("""{"ONE":{"ONE":"1"}}""", await sidecar.Http.GetStringAsync("/v1.0/secrets/some/bulk", stopping));
        Assert.Equal("""{"MISSING":""}""", await sidecar.Http.GetStringAsync("/v1.0/secrets/some/MISSING", stopping));
        Assert.Equal("""{"DAPR_SIDECARTEST":""}""", await sidecar.Http.GetStringAsync("/v1.0/secrets/all/DAPR_SIDECARTEST", stopping));
        var all = await sidecar.Http.GetStringAsync("/v1.0/secrets/all/bulk", stopping);
        Assert.DoesNotContain("DAPR_SIDECARTEST", all, StringComparison.Ordinal);
    }
}
