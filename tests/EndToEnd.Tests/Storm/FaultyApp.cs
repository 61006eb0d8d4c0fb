using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace PiiMasking.EndToEnd.Tests.Storm;

/// <summary>The mistakes that an ingestion service could make.</summary>
internal enum Mistake
{
    None,

    /// <summary>Answers that everything is stored, and only then has it stored.</summary>
    AcknowledgesBeforeCommit,

    /// <summary>Answers that everything is stored, whatever became of it.</summary>
    SwallowsNacks,
}

/// <summary>
/// Stands between the sidecar and the ingestion service, and makes the two together behave like a service with a mistake: the product
/// itself has no switch for that.
/// </summary>
internal sealed class FaultyApp : IAsyncDisposable
{
    private const string Deliveries = "/logins";
    private const string Readiness = "/readyz";
    private const long MostBytes = 64 << 20;

    private readonly HttpClient http = new(new SocketsHttpHandler { UseProxy = false }) { Timeout = TimeSpan.FromSeconds(100) };
    private readonly WebApplication app;

    private FaultyApp(WebApplication app) => this.app = app;

    public int Port => new Uri(app.Urls.Single()).Port;

    /// <summary>The loopback port of the service behind it.</summary>
    public int Target { get; set; }

    public Mistake Mistake { get; set; }

    public static async Task<FaultyApp> StartAsync()
    {
        // Empty: the services' own appsettings.json lie beside this program.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.Limits.MaxRequestBodySize = MostBytes;
            kestrel.Listen(IPAddress.Loopback, 0);
        });
        var faulty = new FaultyApp(builder.Build());
        faulty.app.Run(faulty.HandleAsync);
        await faulty.app.StartAsync();
        return faulty;
    }

    public async ValueTask DisposeAsync()
    {
        await app.DisposeAsync();
        http.Dispose();
    }

    private async Task HandleAsync(HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        var bytes = body.ToArray();
        // A service that cares so little for what becomes of a delivery says that it is ready, too.
        if (Mistake is not Mistake.None && context.Request.Path == Readiness)
            return;
        switch (context.Request.Path == Deliveries ? Mistake : Mistake.None)
        {
            case Mistake.AcknowledgesBeforeCommit:
                var later = Request(context, bytes);
                _ = ForgetAsync(later);
                await AcknowledgeAsync(context, bytes);
                return;
            case Mistake.SwallowsNacks:
                await ForgetAsync(Request(context, bytes));
                await AcknowledgeAsync(context, bytes);
                return;
            default:
                await PassOnAsync(context, bytes);
                return;
        }
    }

    private async Task PassOnAsync(HttpContext context, byte[] body)
    {
        try
        {
            // Like the service itself, it does not stop because the caller has hung up.
            using var request = Request(context, body);
            using var response = await http.SendAsync(request);
            context.Response.StatusCode = (int)response.StatusCode;
            context.Response.ContentType = response.Content.Headers.ContentType?.ToString();
            await response.Content.CopyToAsync(context.Response.Body, context.RequestAborted);
        }
        catch (HttpRequestException)
        {
            // As if nobody listened.
            context.Abort();
        }
    }

    private async Task ForgetAsync(HttpRequestMessage request)
    {
        try
        {
            using (request)
            using (await http.SendAsync(request))
            {
                // Nobody looks at the answer.
            }
        }
        catch (HttpRequestException)
        {
            // Nor at this.
        }
    }

    private static async Task AcknowledgeAsync(HttpContext context, byte[] delivery)
    {
        using var bulk = JsonDocument.Parse(delivery);
        var statuses = bulk.RootElement.GetProperty("entries").EnumerateArray()
            .Select(entry => new { entryId = entry.GetProperty("entryId").GetString(), status = "SUCCESS" });
        await context.Response.WriteAsJsonAsync(new { statuses });
    }

    private HttpRequestMessage Request(HttpContext context, byte[] body)
    {
        var address = new Uri($"http://127.0.0.1:{Target}{context.Request.Path}{context.Request.QueryString}");
        var request = new HttpRequestMessage(new HttpMethod(context.Request.Method), address) { Content = new ByteArrayContent(body) };
        foreach (var (name, value) in context.Request.Headers)
        {
            if (name is "Host" or "Connection" or "Content-Length" or "Transfer-Encoding")
                continue;
            if (!request.Headers.TryAddWithoutValidation(name, value.ToArray()))
                request.Content.Headers.TryAddWithoutValidation(name, value.ToArray());
        }

        return request;
    }
}
