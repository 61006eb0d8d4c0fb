using System.Diagnostics;
using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using PiiMasking.Testing;

namespace PiiMasking.IngestionService.Tests;

public class SurfaceTests
{
    [Fact]
    public async Task Every_topic_is_subscribed_raw_and_in_bulk()
    {
        await using var ingestion = await RunningIngestion.StartAsync(
            "--Intake:PubSub=broker", "--Intake:Topics:0=one", "--Intake:Topics:1=two", "--Intake:BulkMaxEntries=7", "--Intake:BulkMaxWait=00:00:00.020");

        var subscriptions = await ingestion.Http.GetStringAsync("/dapr/subscribe");

        Assert.Equal(
            """
            [{"topic":"one","pubsubName":"broker","route":"logins","metadata":{"rawPayload":"true"},"bulkSubscribe":{"enabled":true,"maxMessagesCount":7,"maxAwaitDurationMs":20}},
            {"topic":"two","pubsubName":"broker","route":"logins","metadata":{"rawPayload":"true"},"bulkSubscribe":{"enabled":true,"maxMessagesCount":7,"maxAwaitDurationMs":20}}]
            """.ReplaceLineEndings(""),
            subscriptions);
    }

    [Fact]
    public async Task Without_the_app_token_nothing_but_health_is_open()
    {
        await using var ingestion = await RunningIngestion.StartAsync("--APP_API_TOKEN=app-token");
        var body = RunningIngestion.Body(Entry.Batch("a", A.Login()));

        using var none = await ingestion.PostAsync(body);
        using var wrong = await ingestion.PostAsync(body, "wrong-token");
        using var right = await ingestion.PostAsync(body, "app-token");
        using var subscribe = await ingestion.Http.GetAsync("/dapr/subscribe");
        using var alive = await ingestion.Http.GetAsync("/healthz");
        using var ready = await ingestion.Http.GetAsync("/readyz");

        Assert.Equal(HttpStatusCode.Unauthorized, none.StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, wrong.StatusCode);
        Assert.Equal(HttpStatusCode.OK, right.StatusCode);
        Assert.Equal(HttpStatusCode.Unauthorized, subscribe.StatusCode);
        Assert.Equal(HttpStatusCode.OK, alive.StatusCode);
        Assert.Equal(HttpStatusCode.OK, ready.StatusCode);
        Assert.Single(ingestion.Sidecar.Calls);
        Assert.DoesNotContain("app-token", ingestion.Logs.Everything);
        Assert.DoesNotContain("wrong-token", ingestion.Logs.Everything);
    }

    [Fact]
    public async Task A_missing_app_token_is_said_once_at_start()
    {
        await using var ingestion = await RunningIngestion.StartAsync();

        Assert.Single(ingestion.Logs.Lines, line => line.Level == LogLevel.Warning && line.Message.Contains("APP_API_TOKEN", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Readiness_follows_the_masking_service_and_says_what_is_missing()
    {
        await using var ingestion = await RunningIngestion.StartAsync("--Intake:ReadinessAge=00:00:00");
        ingestion.Sidecar.Ready = () => Results.Json(new { status = "not ready", missing = new { database = "out of reach" } }, statusCode: 503);

        using (var notReady = await ingestion.Http.GetAsync("/readyz"))
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, notReady.StatusCode);
            Assert.Equal(
                """{"status":"not ready","missing":{"masking":"database: out of reach"}}""", await notReady.Content.ReadAsStringAsync());
        }

        ingestion.Sidecar.Ready = () => Results.Json(new { errorCode = "ERR_DIRECT_INVOKE" }, statusCode: 500);
        Assert.Contains("out of reach (status 500)", await (await ingestion.Http.GetAsync("/readyz")).Content.ReadAsStringAsync());

        ingestion.Sidecar.Ready = () => Results.Json(new { status = "ready" });
        Assert.Equal("""{"status":"ready"}""", await ingestion.Http.GetStringAsync("/readyz"));
        Assert.Equal("""{"status":"alive"}""", await ingestion.Http.GetStringAsync("/healthz"));
    }

    [Fact]
    public async Task It_is_ready_while_logins_are_stored_whatever_was_answered_before()
    {
        await using var ingestion = await RunningIngestion.StartAsync("--Intake:ReadinessAge=00:01:00");
        ingestion.Sidecar.Ready = () => Results.Json(new { errorCode = "ERR_DIRECT_INVOKE" }, statusCode: 500);
        using (var notReady = await ingestion.Http.GetAsync("/readyz"))
            Assert.Equal(HttpStatusCode.ServiceUnavailable, notReady.StatusCode);

        await ingestion.DeliverAsync(Entry.Batch("a", A.Login()));

        Assert.Equal("""{"status":"ready"}""", await ingestion.Http.GetStringAsync("/readyz"));
    }

    [Fact]
    public async Task Many_probes_are_one_question()
    {
        await using var ingestion = await RunningIngestion.StartAsync("--Intake:ReadinessAge=00:01:00");
        var questions = 0;
        ingestion.Sidecar.Ready = () =>
        {
            Interlocked.Increment(ref questions);
            return Results.Ok();
        };

        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => ingestion.Http.GetStringAsync("/readyz")));

        Assert.Equal(1, questions);
    }

    [Fact]
    public async Task A_wrong_method_or_path_is_an_answer_without_details()
    {
        await using var ingestion = await RunningIngestion.StartAsync();

        using var get = await ingestion.Http.GetAsync("/logins");
        using var nothing = await ingestion.Http.GetAsync("/nothing");

        Assert.Equal(HttpStatusCode.MethodNotAllowed, get.StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, nothing.StatusCode);
        Assert.Equal("application/problem+json", nothing.Content.Headers.ContentType?.MediaType);
        Assert.False(nothing.Headers.Contains("Server"));
    }

    [Theory]
    [InlineData("--Intake:Topics:0=", "Intake:Topics")]
    [InlineData("--Intake:Topics:1=login-queue", "Intake:Topics")]
    [InlineData("--Intake:PubSub=", "Intake:PubSub")]
    [InlineData("--Intake:MaskingAppId=", "Intake:MaskingAppId")]
    [InlineData("--Intake:MaskingAppId=no such app", "Intake:MaskingAppId")]
    [InlineData("--Intake:MaxCallBytes=1", "Intake:MaxCallBytes")]
    [InlineData("--Intake:MaskingTimeout=0", "Intake:MaskingTimeout")]
    public async Task A_setting_that_makes_no_sense_stops_the_start_by_name(string setting, string named)
    {
        var failure = await Assert.ThrowsAsync<OptionsValidationException>(async () =>
        {
            await using var app = IngestionProgram.Build(["--Kestrel:Endpoints:App:Url=http://127.0.0.1:0", setting]);
            await app.StartAsync();
        });

        Assert.Contains(named, Assert.Single(failure.Failures));
    }

    [Theory]
    [InlineData("--Intake:MaskingAppId=no such app", "Intake:MaskingAppId")]
    [InlineData("--Intake:BulkMaxEntries=many", "BulkMaxEntries")]
    [InlineData("--DAPR_HTTP_ENDPOINT=nonsense", "DAPR_HTTP_ENDPOINT")]
    public async Task A_wrong_setting_is_one_line_and_exit_code_1(string setting, string named)
    {
        var (exitCode, error) = await RunAsync("--Kestrel:Endpoints:App:Url=http://127.0.0.1:0", setting);

        Assert.Equal(1, exitCode);
        Assert.Contains(named, Assert.Single(error.TrimEnd().Split('\n')));
    }

    [Fact]
    public async Task A_port_in_use_is_one_line_that_names_it()
    {
        await using var other = await FakeSidecar.StartAsync();

        var (exitCode, error) = await RunAsync($"--Kestrel:Endpoints:App:Url={other.Url}");

        Assert.Equal(1, exitCode);
        Assert.Contains(other.Url, Assert.Single(error.TrimEnd().Split('\n')));
    }

    /// <summary>Runs the program until it ends by itself.</summary>
    private static async Task<(int ExitCode, string Error)> RunAsync(params string[] args)
    {
        var program = typeof(RunningIngestion).Assembly.Location.Replace("IngestionService.Tests", "IngestionService", StringComparison.Ordinal);
        using var process = Process.Start(new ProcessStartInfo("dotnet", [program, .. args]) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(limit.Token);
            var error = await process.StandardError.ReadToEndAsync(limit.Token);
            await process.WaitForExitAsync(limit.Token);
            Assert.DoesNotContain("   at ", await output);
            return (process.ExitCode, error);
        }
        finally
        {
            if (!process.HasExited)
                process.Kill();
        }
    }
}
