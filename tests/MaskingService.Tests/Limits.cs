using System.Net;
using System.Text;
using Microsoft.Extensions.Configuration;
using PiiMasking.Contracts;
using PiiMasking.MaskingService.Tests.People;
using static PiiMasking.MaskingService.Tests.RunningService;

namespace PiiMasking.MaskingService.Tests;

/// <summary>How much a caller may send, and who reaches the service if nothing is configured.</summary>
public sealed class Limits(MigratedDatabases databases)
{
    [Fact]
    public void Unless_told_otherwise_it_listens_on_loopback_only()
    {
        var defaults = new ConfigurationBuilder().AddJsonFile(Path.Combine(AppContext.BaseDirectory, "appsettings.json")).Build();

        Assert.All(
            defaults.GetSection("Kestrel:Endpoints").GetChildren(),
            endpoint => Assert.Equal("127.0.0.1", new Uri(endpoint["Url"]!).Host));
        Assert.Equal(2, defaults.GetSection("Kestrel:Endpoints").GetChildren().Count());
    }

    [Fact]
    public async Task Bodies_headers_and_batches_beyond_their_limit_are_refused_and_harm_nobody()
    {
        await using var system = await PeopleSystem.StartAsync(databases);
        var (app, people) = (system.Service.App, system.Service.People);
        var many = Enumerable.Range(0, LoginBatch.MaxMessages + 1).Select(_ => Rejected("x")).ToArray();

        Assert.Equal(HttpStatusCode.BadRequest, (await system.Service.PostAsync(many)).StatusCode);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, await StatusAsync(app, LoginBatch.Route, new string(' ', (8 << 20) + 1)));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, await StatusAsync(people, "/v1/reveal", new string(' ', (1 << 20) + 1), BearerToken.All));
        foreach (var port in new[] { app, people })
        {
            Assert.Equal(HttpStatusCode.RequestHeaderFieldsTooLarge, await StatusAsync(port, "/v1/reveal", "{}", header: new string('x', 17 << 10)));
            Assert.Equal(HttpStatusCode.RequestHeaderFieldsTooLarge, await StatusAsync(port, "/v1/reveal", "{}", headers: 70));
        }

        Assert.Equal([LoginOutcome.Stored], await system.Service.StoreAsync(Message()));
        Assert.Equal(0, await system.Database.ScalarAsync<long>("SELECT count(*) FROM quarantine"));
    }

    private static async Task<HttpStatusCode> StatusAsync(
        HttpClient port, string path, string body, string? token = null, string? header = null, int headers = 0)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(path, UriKind.Relative))
        {
            Content = new StringContent(body, Encoding.UTF8, "application/json"),
        };
        // Else a body that is not wanted breaks the pipe before the answer is read.
        request.Headers.ExpectContinue = true;
        if (token is not null)
            request.Headers.Authorization = new("Bearer", token);
        if (header is not null)
            request.Headers.Add("x-large", header);
        for (var number = 0; number < headers; number++)
            request.Headers.Add($"x-{number}", "x");
        using var answer = await port.SendAsync(request);
        return answer.StatusCode;
    }
}
