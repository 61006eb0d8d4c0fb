using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace PiiMasking.MaskingService.Tests.Keys;

/// <summary>The secrets API over HTTP with any answer, in the forms of daprd.</summary>
internal sealed class FakeSidecar : IAsyncDisposable
{
    private readonly WebApplication app;
    private int calls;

    private FakeSidecar(WebApplication app) => this.app = app;

    public string Endpoint => app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();

    /// <summary>Answers by name of the secret; a name that is not here is not in the store.</summary>
    public Dictionary<string, (int Status, string Body)> Answers { get; } = [];

    /// <summary>The token that callers have to show, if any.</summary>
    public string? ApiToken { get; set; }

    public int Calls => calls;

    public static async Task<FakeSidecar> StartAsync()
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore().UseUrls("http://127.0.0.1:0");
        builder.Services.AddRoutingCore();
        var sidecar = new FakeSidecar(builder.Build());
        sidecar.app.MapGet("/v1.0/secrets/{store}/{name}", sidecar.Answer);
        await sidecar.app.StartAsync();
        return sidecar;
    }

    /// <summary>Stores a secret as name/value stores give it out.</summary>
    public void Store(string name, string value) => Answers[name] = (200, System.Text.Json.JsonSerializer.Serialize(new Dictionary<string, string> { [name] = value }));

    public ValueTask DisposeAsync() => app.DisposeAsync();

    private IResult Answer(HttpContext context, string store, string name)
    {
        Interlocked.Increment(ref calls);
        if (ApiToken is not null && context.Request.Headers["dapr-api-token"] != ApiToken)
            return Results.Text("invalid api token", statusCode: 401);
        if (store != "secrets")
            return Results.Json(new { errorCode = "ERR_SECRET_STORE_NOT_FOUND", message = "failed finding secret store with key " + store }, statusCode: 401);
        return Answers.TryGetValue(name, out var answer)
            ? answer.Status == 204 ? Results.NoContent() : Results.Text(answer.Body, "application/json", statusCode: answer.Status)
            : Results.Json(new { errorCode = "ERR_SECRET_GET", message = $"failed getting secret with key {name} from secret store {store}: secret {name} not found" }, statusCode: 500);
    }
}
