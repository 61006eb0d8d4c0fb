using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using PiiMasking.Contracts;

namespace PiiMasking.IngestionService.Tests;

/// <summary>One call as it reached the sidecar.</summary>
internal sealed record Call(LoginBatch Batch, long? ContentLength, int Bytes, string? ApiToken);

/// <summary>Stands for the sidecar and the masking service behind it: the invoke route over real HTTP, answering as a test says.</summary>
internal sealed class FakeSidecar : IAsyncDisposable
{
    private readonly WebApplication app;

    private FakeSidecar(WebApplication app) => this.app = app;

    /// <summary>Calls so far, in their order.</summary>
    public ConcurrentQueue<Call> Calls { get; } = new();

    /// <summary>What becomes of a message; stored, or quarantined if it is a rejection, unless a test says otherwise.</summary>
    public Func<LoginMessage, LoginOutcome> Decide { get; set; } =
        message => message.Login is null ? LoginOutcome.Quarantined : LoginOutcome.Stored;

    /// <summary>Answers the call instead of <see cref="Decide"/> when set.</summary>
    public Func<HttpContext, Task>? Answer { get; set; }

    public Func<IResult> Ready { get; set; } = () => Results.Json(new { status = "ready" });

    public string Url => app.Urls.Single();

    public static async Task<FakeSidecar> StartAsync()
    {
        // Empty: no appsettings.json is looked for, and no folder watched for changes of one.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        builder.Services.AddRoutingCore();
        var app = builder.Build();
        var sidecar = new FakeSidecar(app);
        app.MapPost("/v1.0/invoke/masking/method/v1/logins", sidecar.TakeAsync);
        app.MapGet("/v1.0/invoke/masking/method/readyz", () => sidecar.Ready());
        await app.StartAsync();
        return sidecar;
    }

    public async ValueTask DisposeAsync() => await app.DisposeAsync();

    private async Task TakeAsync(HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        var batch = JsonSerializer.Deserialize(body.ToArray(), ContractsJson.Default.LoginBatch)!;
        Calls.Enqueue(new Call(batch, context.Request.ContentLength, (int)body.Length, context.Request.Headers["dapr-api-token"]));
        if (Answer is not null)
            await Answer(context);
        else
            await context.Response.WriteAsJsonAsync(new LoginBatchResult([.. batch.Messages.Select(Decide)]), ContractsJson.Default.LoginBatchResult);
    }
}
