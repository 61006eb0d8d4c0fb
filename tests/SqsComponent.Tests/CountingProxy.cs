using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace PiiMasking.SqsComponent.Tests;

/// <summary>Passes requests on to SQS, counts them, and fails them when told to.</summary>
internal sealed class CountingProxy : IAsyncDisposable
{
    private readonly HttpClient http = new();
    private readonly WebApplication app;
    private int requests;

    public CountingProxy(Uri target)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        app = builder.Build();
        app.Run(async context =>
        {
            Interlocked.Increment(ref requests);
            if (IsDown)
            {
                context.Response.StatusCode = (int)HttpStatusCode.ServiceUnavailable;
                return;
            }

            using var request = new HttpRequestMessage(HttpMethod.Post, target) { Content = new StreamContent(context.Request.Body) };
            foreach (var header in context.Request.Headers.Where(header => !header.Key.Equals("Host", StringComparison.OrdinalIgnoreCase)))
            {
                if (!request.Headers.TryAddWithoutValidation(header.Key, header.Value.ToArray()))
                    request.Content.Headers.TryAddWithoutValidation(header.Key, header.Value.ToArray());
            }

            using var response = await http.SendAsync(request, context.RequestAborted);
            context.Response.StatusCode = (int)response.StatusCode;
            context.Response.ContentType = response.Content.Headers.ContentType?.ToString();
            foreach (var header in response.Headers.Where(header => header.Key.StartsWith("x-amz", StringComparison.OrdinalIgnoreCase)))
                context.Response.Headers[header.Key] = header.Value.ToArray();
            await response.Content.CopyToAsync(context.Response.Body, context.RequestAborted);
        });
        app.StartAsync().GetAwaiter().GetResult();
    }

    public Uri Address => new(app.Urls.Single());

    public int Requests => requests;

    /// <summary>Answers 503 to everything.</summary>
    public bool IsDown { get; set; }

    public async ValueTask DisposeAsync()
    {
        await app.DisposeAsync();
        http.Dispose();
    }
}
