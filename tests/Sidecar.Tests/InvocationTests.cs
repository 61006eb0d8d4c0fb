using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Dapr.Client;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace PiiMasking.Sidecar.Tests;

/// <summary>dapr-contract G1 to G4, F2.</summary>
public sealed class InvocationTests
{
    private readonly CancellationToken stopping = TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_call_reaches_the_app_with_the_headers_of_both_sidecars()
    {
        await using var pair = await Pair.StartAsync(stopping, callee => callee.Environment("APP_API_TOKEN", "callee-token"));

        using var request = new HttpRequestMessage(HttpMethod.Patch, "/v1.0/invoke/callee/method/a%20b/../c%2Fd//e/?q=%20x&q=2");
        request.Content = new StringContent("body");
        request.Headers.TryAddWithoutValidation("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        request.Headers.TryAddWithoutValidation("tracestate", "a=b");
        request.Headers.TryAddWithoutValidation("baggage", "k=v");
        request.Headers.TryAddWithoutValidation("x-own", "1");
        request.Headers.TryAddWithoutValidation("x-hop", "1");
        request.Headers.TryAddWithoutValidation("connection", "x-hop");
        request.Headers.TryAddWithoutValidation("te", "trailers");
        request.Headers.TryAddWithoutValidation("proxy-authorization", "p");
        request.Headers.TryAddWithoutValidation("dapr-caller-app-id", "forged");
        request.Headers.TryAddWithoutValidation("x-forwarded-for", "10.1.1.1");
        using var response = await pair.Http.SendAsync(request, stopping);
        var asked = await pair.App.NextAsync(stopping);

        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal(("PATCH", "/c/d/e?q=%20x&q=2", "body"), (asked.Method, asked.Target, asked.Text));
        Assert.Equal("caller", asked.Headers["dapr-caller-app-id"]);
        Assert.Equal("default", asked.Headers["dapr-caller-namespace"]);
        Assert.Equal("callee", asked.Headers["dapr-callee-app-id"]);
        Assert.Equal("callee-token", asked.Headers["dapr-api-token"]);
        Assert.Equal("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", asked.Headers["traceparent"]);
        Assert.Equal(("a=b", "k=v", "1"), (asked.Headers["tracestate"], asked.Headers["baggage"], asked.Headers["x-own"]));
        Assert.StartsWith("10.1.1.1", asked.Headers["X-Forwarded-For"], StringComparison.Ordinal);
        Assert.EndsWith("127.0.0.1", asked.Headers["X-Forwarded-For"], StringComparison.Ordinal);
        Assert.NotEmpty(asked.Headers["X-Forwarded-Host"]);
        Assert.StartsWith("for=127.0.0.1;by=127.0.0.1;host=", asked.Headers["Forwarded"], StringComparison.Ordinal);
        Assert.Equal("4", asked.Headers["Content-Length"]);
        Assert.DoesNotContain(
            asked.Headers.Keys, key => key.ToUpperInvariant() is "X-HOP" or "TE" or "PROXY-AUTHORIZATION" or "DAPR-APP-ID");
    }

    [Theory]
    [InlineData("header")]
    [InlineData("basic")]
    [InlineData("namespace")]
    public async Task The_app_may_be_named_in_other_ways(string way)
    {
        await using var pair = await Pair.StartAsync(stopping);

        using var request = new HttpRequestMessage(
            HttpMethod.Post, way == "namespace" ? "/v1.0/invoke/callee.default/method/v1/x" : "/v1/x");
        if (way == "header")
            request.Headers.Add("dapr-app-id", "callee");
        if (way == "basic")
            request.Headers.Add("Authorization", "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes("dapr-app-id:callee")));
        using var response = await pair.Http.SendAsync(request, stopping);
        var asked = await pair.App.NextAsync(stopping);

        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal("/v1/x", asked.Target);
        Assert.DoesNotContain("dapr-app-id", asked.Headers.Keys);
    }

    [Theory]
    [InlineData(200)]
    [InlineData(201)]
    [InlineData(204)]
    [InlineData(302)]
    [InlineData(404)]
    [InlineData(422)]
    [InlineData(500)]
    [InlineData(503)]
    public async Task The_apps_answer_comes_back_as_it_is_and_is_asked_for_once(int status)
    {
        await using var pair = await Pair.StartAsync(stopping);
        pair.App.On("/x", context =>
        {
            context.Response.StatusCode = status;
            context.Response.Headers["x-answer"] = "1";
            context.Response.Headers.Location = "/elsewhere";
            context.Response.Headers["sidecar-failure"] = "Internal";
            context.Response.ContentType = "text/special";
            return status == 204 ? Task.CompletedTask : context.Response.WriteAsync("answer");
        });

        using var handler = new HttpClientHandler { AllowAutoRedirect = false };
        using var http = new HttpClient(handler) { BaseAddress = new Uri(pair.Caller.HttpEndpoint) };
        using var response = await http.PostAsync("/v1.0/invoke/callee/method/x", new StringContent("b"), stopping);

        Assert.Equal(status, (int)response.StatusCode);
        Assert.Equal("1", response.Headers.GetValues("x-answer").Single());
        Assert.Equal("/elsewhere", response.Headers.Location!.ToString());
        Assert.Equal(status == 204 ? "" : "answer", await response.Content.ReadAsStringAsync(stopping));
        if (status != 204)
            Assert.Equal("text/special", response.Content.Headers.ContentType!.ToString());
        await pair.App.NextAsync(stopping);
        Assert.False(pair.App.HasMore);
    }

    [Fact]
    public async Task An_answer_streams_through()
    {
        await using var pair = await Pair.StartAsync(stopping);
        var goOn = new TaskCompletionSource();
        pair.App.On("/x", async context =>
        {
            await context.Response.WriteAsync("first ");
            await context.Response.Body.FlushAsync();
            await goOn.Task;
            await context.Response.WriteAsync("second");
        });

        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1.0/invoke/callee/method/x");
        using var response = await pair.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, stopping);
        await using var body = await response.Content.ReadAsStreamAsync(stopping);
        var buffer = new byte[6];
        await body.ReadExactlyAsync(buffer, stopping);
        goOn.SetResult();
        using var rest = new StreamReader(body);

        Assert.Equal("first ", Encoding.UTF8.GetString(buffer));
        Assert.Equal("second", await rest.ReadToEndAsync(stopping));
    }

    [Fact]
    public async Task The_SDKs_client_invokes()
    {
        await using var pair = await Pair.StartAsync(stopping, caller: caller => caller.Environment("DAPR_API_TOKEN", "api-token"));
        pair.App.On("/v1/logins", 200, """{"value":7}""");
        using var http = DaprClient.CreateInvokeHttpClient("callee", pair.Caller.HttpEndpoint, "api-token");

        using var response = await http.PostAsJsonAsync("/v1/logins?a=b", new { name = "x" }, stopping);
        var asked = await pair.App.NextAsync(stopping);

        Assert.Equal(7, JsonDocument.Parse(await response.Content.ReadAsStringAsync(stopping)).RootElement.GetProperty("value").GetInt32());
        Assert.Equal(("/v1/logins?a=b", """{"name":"x"}"""), (asked.Target, asked.Text));
        Assert.DoesNotContain("dapr-api-token", asked.Headers.Keys);
    }

    [Fact]
    public async Task The_own_app_is_called_directly()
    {
        await using var pair = await Pair.StartAsync(stopping, callee => callee
            .Environment("APP_API_TOKEN", "t").Configuration("{ accessControl: { defaultAction: deny } }"));

        using var response = await pair.Callee.Http.PostAsync("/v1.0/invoke/callee/method/x", new StringContent("b"), stopping);
        var asked = await pair.App.NextAsync(stopping);

        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal("t", asked.Headers["dapr-api-token"]);
        Assert.DoesNotContain("dapr-caller-app-id", asked.Headers.Keys);
        Assert.DoesNotContain("X-Forwarded-For", asked.Headers.Keys);
    }

    [Theory]
    [InlineData("/v1.0/invoke/nobody/method/x", 500, "failed to invoke, id: nobody, err: couldn't find service: nobody")]
    [InlineData("/v1.0/invoke/callee", 404, "failed getting app id either from the URL path or the header dapr-app-id")]
    [InlineData("/anything", 404, "failed getting app id either from the URL path or the header dapr-app-id")]
    [InlineData("/v1.0/invoke/callee/method/a%23b", 400, "invalid method name")]
    public async Task What_cannot_be_invoked_is_ERR_DIRECT_INVOKE(string target, int status, string message)
    {
        await using var pair = await Pair.StartAsync(stopping);

        using var response = await pair.Http.GetAsync(target, stopping);

        Assert.Equal(status, (int)response.StatusCode);
        var json = JsonDocument.Parse(await response.Content.ReadAsStringAsync(stopping)).RootElement;
        Assert.Equal("ERR_DIRECT_INVOKE", json.GetProperty("errorCode").GetString());
        Assert.Equal(message, json.GetProperty("message").GetString());
    }

    [Fact]
    public async Task An_app_that_is_away_behind_its_sidecar_is_reported_without_a_second_try()
    {
        await using var pair = await Pair.StartAsync(stopping);
        await pair.App.StopAsync();

        using var response = await pair.Http.PostAsync("/v1.0/invoke/callee/method/x", new StringContent("b"), stopping);

        Assert.Equal(500, (int)response.StatusCode);
        var error = await response.Content.ReadAsStringAsync(stopping);
        Assert.Contains("error invoking app channel", error, StringComparison.Ordinal);
        Assert.DoesNotContain("retries", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_sidecar_that_is_away_is_tried_again_only_if_the_body_has_a_length(bool hasLength)
    {
        using var setup = new Setup("caller");
        await using var caller = await RunningSidecar.StartAsync(setup, stopping);
        await using var app = await TestApp.StartAsync(stopping: stopping);
        using var callee = new Setup("callee").App(app).Registry(setup["names.db"]);
        await using var calleeSidecar = await RunningSidecar.StartAsync(callee, stopping);
        var address = setup["names.db.apps/callee"];
        File.Copy(address, setup["present"]);
        using var gone = Backing.LoopbackPort.Reserve();
        await File.WriteAllTextAsync(address, $"127.0.0.1:{gone}", stopping);

        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1.0/invoke/callee/method/x") { Content = new StringContent("body") };
        request.Headers.TransferEncodingChunked = !hasLength;
        var sending = caller.Http.SendAsync(request, stopping);
        if (hasLength)
        {
            // The callee is there again within the three seconds that the built-in policy tries.
            await Task.Delay(300, stopping);
            File.Move(setup["present"], address, overwrite: true);
            using var answered = await sending;
            Assert.Equal(200, (int)answered.StatusCode);
            Assert.Equal("body", (await app.NextAsync(stopping)).Text);
            return;
        }

        using var response = await sending;
        Assert.Equal(500, (int)response.StatusCode);
        var error = await response.Content.ReadAsStringAsync(stopping);
        Assert.Contains("ERR_DIRECT_INVOKE", error, StringComparison.Ordinal);
        Assert.DoesNotContain("retries", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_port_that_now_belongs_to_another_sidecar_is_not_mistaken_for_the_app()
    {
        await using var pair = await Pair.StartAsync(stopping);
        await File.WriteAllTextAsync(pair.Registry + "/somebody", $"127.0.0.1:{pair.Callee.Options.InternalPort}", stopping);

        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1.0/invoke/somebody/method/x") { Content = new StringContent("b") };
        request.Headers.TransferEncodingChunked = true;
        using var response = await pair.Http.SendAsync(request, stopping);

        Assert.Equal(500, (int)response.StatusCode);
        Assert.False(pair.App.HasMore);
    }

    [Theory]
    [InlineData("{ defaultAction: deny }", 403)]
    [InlineData("{ policies: [{ appId: caller, defaultAction: allow, trustDomain: public, namespace: default }] }", 403)]
    [InlineData(
        "{ defaultAction: allow, policies: [{ appId: caller, defaultAction: deny, trustDomain: public, namespace: default }] }", 200)]
    public async Task Access_control_without_mTLS_applies_its_global_action_to_every_caller(string accessControl, int status)
    {
        await using var pair = await Pair.StartAsync(
            stopping, callee => callee.Configuration($$"""{ accessControl: {{accessControl}} }"""));

        using var response = await pair.Http.PostAsync("/v1.0/invoke/callee/method/x", new StringContent("b"), stopping);

        Assert.Equal(status, (int)response.StatusCode);
        if (status == 403)
            Assert.Contains("ERR_DIRECT_INVOKE", await response.Content.ReadAsStringAsync(stopping), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_body_over_the_limit_is_413(bool isChunked)
    {
        await using var pair = await Pair.StartAsync(stopping, caller: caller => caller.Flag("max-body-size", "1Ki"));

        // Of a chunked body the chunks' own headers count too.
        foreach (var (size, status) in ((int, int)[])[(isChunked ? 1000 : 1024, 200), (1025, 413)])
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/v1.0/invoke/callee/method/x");
            request.Content = new ByteArrayContent(new byte[size]);
            request.Headers.TransferEncodingChunked = isChunked;
            using var response = await pair.Http.SendAsync(request, stopping);
            Assert.Equal(status, (int)response.StatusCode);
        }
    }

    [Fact]
    public async Task A_body_of_four_mebibytes_passes_by_default()
    {
        await using var pair = await Pair.StartAsync(stopping);

        using var response = await pair.Http.PostAsync("/v1.0/invoke/callee/method/x", new ByteArrayContent(new byte[4 << 20]), stopping);

        Assert.Equal(200, (int)response.StatusCode);
        Assert.Equal(4 << 20, (await pair.App.NextAsync(stopping)).Body.Length);
    }

    [Fact]
    public async Task An_app_that_speaks_h2c_is_called_so()
    {
        await using var app = await TestApp.StartAsync(protocols: HttpProtocols.Http2, stopping: stopping);
        app.On("/x", context => context.Response.WriteAsync(context.Request.Protocol));
        using var setup = new Setup().App(app).Flag("app-protocol", "h2c");
        await using var sidecar = await RunningSidecar.StartAsync(setup, stopping);

        Assert.Equal("HTTP/2", await sidecar.Http.GetStringAsync("/v1.0/invoke/app/method/x", stopping));
    }

    [Fact]
    public async Task The_name_format_resolver_dials_what_it_makes_of_the_app_id()
    {
        await using var pair = await Pair.StartAsync(stopping);
        using var setup = new Setup("third")
            .Configuration("""{ nameResolution: { component: nameformat, configuration: { format: "{appid}:1" } } }""");
        setup.Configuration(
            $$"""{ nameResolution: { configuration: { format: "{appid}:{{pair.Callee.Options.InternalPort}}" } } }""");
        await using var third = await RunningSidecar.StartAsync(setup, stopping);

        // The later file overlays the earlier one; "localhost" is the app id and the host name at once.
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1.0/invoke/localhost/method/x");
        using var response = await third.Http.SendAsync(request, stopping);

        // It is reached, and says that it is somebody else.
        Assert.Contains("this is the sidecar of callee", await response.Content.ReadAsStringAsync(stopping), StringComparison.Ordinal);
    }

    private sealed class Pair : IAsyncDisposable
    {
        private readonly Setup[] setups;

        private Pair(TestApp app, RunningSidecar caller, RunningSidecar callee, Setup[] setups)
        {
            App = app;
            Caller = caller;
            Callee = callee;
            this.setups = setups;
        }

        public TestApp App { get; }

        public RunningSidecar Caller { get; }

        public RunningSidecar Callee { get; }

        public HttpClient Http => Caller.Http;

        public string Registry => setups[0]["names.db.apps"];

        public static async Task<Pair> StartAsync(CancellationToken stopping, Action<Setup>? callee = null, Action<Setup>? caller = null)
        {
            var app = await TestApp.StartAsync(stopping: stopping);
            app.On("/", 200);
            var calleeSetup = new Setup("callee").App(app);
            callee?.Invoke(calleeSetup);
            var callerSetup = new Setup("caller").Registry(calleeSetup["names.db"]);
            caller?.Invoke(callerSetup);
            var calleeSidecar = await RunningSidecar.StartAsync(calleeSetup, stopping);
            var callerSidecar = await RunningSidecar.StartAsync(callerSetup, stopping);
            return new Pair(app, callerSidecar, calleeSidecar, [calleeSetup, callerSetup]);
        }

        public async ValueTask DisposeAsync()
        {
            await Caller.DisposeAsync();
            await Callee.DisposeAsync();
            await App.DisposeAsync();
            foreach (var setup in setups)
                setup.Dispose();
        }
    }
}
