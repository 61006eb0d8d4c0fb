using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging;
using PiiMasking.Testing;

namespace PiiMasking.IngestionService.Tests;

/// <summary>The service on a free loopback port, with a fake sidecar before it.</summary>
internal sealed class RunningIngestion : IAsyncDisposable
{
    private readonly WebApplication app;

    private RunningIngestion(WebApplication app, FakeSidecar sidecar, CapturedLogs logs)
    {
        (this.app, Sidecar, Logs) = (app, sidecar, logs);
        Http = new HttpClient { BaseAddress = new Uri(app.Urls.Single()) };
    }

    public FakeSidecar Sidecar { get; }
    public CapturedLogs Logs { get; }
    public HttpClient Http { get; }

    public static async Task<RunningIngestion> StartAsync(params string[] settings)
    {
        var sidecar = await FakeSidecar.StartAsync();
        var logs = new CapturedLogs();
        string[] args =
        [
            "--Kestrel:Endpoints:App:Url=http://127.0.0.1:0", $"--DAPR_HTTP_ENDPOINT={sidecar.Url}", "--Intake:ReadinessWait=00:00:20",
            "--Logging:LogLevel:Default=Trace", "--Logging:LogLevel:Microsoft.AspNetCore=Trace", "--Logging:Console:LogLevel:Default=None",
            "--Logging:Console:LogLevel:Microsoft.AspNetCore=None", .. settings,
        ];
        var app = IngestionProgram.Build(args, builder => builder.Logging.AddProvider(logs));
        await app.StartAsync();
        return new RunningIngestion(app, sidecar, logs);
    }

    /// <summary>Delivers entries as daprd does and returns each one's status, by entry id.</summary>
    public async Task<Dictionary<string, string>> DeliverAsync(params Entry[] entries)
    {
        using var response = await PostAsync(Body(entries));
        Assert.Equal(200, (int)response.StatusCode);
        using var answer = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        return answer.RootElement.GetProperty("statuses").EnumerateArray()
            .ToDictionary(status => status.GetProperty("entryId").GetString()!, status => status.GetProperty("status").GetString()!);
    }

    public async Task<HttpResponseMessage> PostAsync(string body, string? token = null, bool askFirst = false)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/logins") { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        request.Headers.ExpectContinue = askFirst;   // else a body that is not wanted breaks the pipe before the answer is read
        if (token is not null)
            request.Headers.Add("dapr-api-token", token);
        return await Http.SendAsync(request);
    }

    /// <summary>The body of a bulk delivery, as daprd writes it for a raw subscription.</summary>
    public static string Body(params Entry[] entries) => new JsonObject
    {
        ["id"] = Guid.NewGuid().ToString(),
        ["entries"] = new JsonArray([.. entries.Select(entry => new JsonObject
        {
            ["entryId"] = entry.Id,
            ["event"] = Convert.ToBase64String(entry.Event),
            ["metadata"] = entry.Metadata,
            ["contentType"] = entry.ContentType,
        })]),
        ["metadata"] = new JsonObject { ["pubsubName"] = "logins" },
        ["pubsubname"] = "logins",
        ["topic"] = "login-queue",
        ["type"] = "com.dapr.event.sent.bulk",
    }.ToJsonString();

    public Task StopAsync() => app.StopAsync();

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await app.DisposeAsync();
        await Sidecar.DisposeAsync();
    }
}

/// <summary>An entry of a bulk delivery.</summary>
internal sealed record Entry(string Id, byte[] Event, string ContentType, JsonObject? Metadata = null)
{
    /// <summary>An entry as the SQS component makes it: a batch of CloudEvents, one a body.</summary>
    public static Entry Batch(string id, params string[] bodies) => Batch(id, [.. bodies.Select(body => (Guid.NewGuid(), Encoding.UTF8.GetBytes(body)))]);

    public static Entry Batch(string id, params (Guid Id, byte[] Body)[] messages) => new(
        id,
        Encoding.UTF8.GetBytes(new JsonArray([.. messages.Select(message => new JsonObject
        {
            ["specversion"] = "1.0",
            ["id"] = message.Id.ToString(),
            ["source"] = "sqs/login-queue",
            ["type"] = "sqs.message",
            ["time"] = "2026-03-01T12:00:00Z",
            ["data_base64"] = Convert.ToBase64String(message.Body),
        })]).ToJsonString()),
        "application/cloudevents-batch+json");

    public static Entry Bare(string id, string body, JsonObject? metadata = null) => new(id, Encoding.UTF8.GetBytes(body), "application/octet-stream", metadata);
}
