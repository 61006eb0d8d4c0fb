using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using PiiMasking.Contracts;
using PiiMasking.Testing;

namespace PiiMasking.MaskingService.Tests.People;

/// <summary>A running service with a database of its own, as people see it.</summary>
internal sealed class PeopleSystem : IAsyncDisposable
{
    private PeopleSystem(TestDatabase database, RunningService service) => (Database, Service) = (database, service);

    public TestDatabase Database { get; }

    public RunningService Service { get; }

    public static async Task<PeopleSystem> StartAsync(MigratedDatabases databases, Dictionary<string, string?>? settings = null)
    {
        var database = await databases.CreateAsync();
        var service = await RunningService.StartReadyAsync(database, settings: new Dictionary<string, string?>(settings ?? [])
        {
            ["People:RequestsPerMinute"] = settings?.GetValueOrDefault("People:RequestsPerMinute") ?? "1000000",
            ["People:TokensPerDay"] = settings?.GetValueOrDefault("People:TokensPerDay") ?? "1000000",
        });
        var system = new PeopleSystem(database, service);
        // Requests are limited in some of these tests: not to be asked for.
        await Eventually.HoldsAsync("the integrity keyset has been read", () => service.Logs.Lines.Any(line => line.EventId == 1501));
        using var answer = await system.GetAsync("/v1/audit");
        Assert.True(answer.IsSuccessStatusCode, $"people are served: {answer.StatusCode}");
        return system;
    }

    /// <summary>Stores logins and returns the tokens of a column, in their order.</summary>
    public async Task<string[]> StoreAsync(string column, params LoginMessage[] messages)
    {
        Assert.All(await Service.StoreAsync(messages), outcome => Assert.Equal(LoginOutcome.Stored, outcome));
        var ids = string.Join(',', messages.Select(message => message.MessageId));
        return await Database.ScalarAsync<string[]>(
            $"SELECT array_agg({column} ORDER BY ord)::text[] FROM unnest('{{{ids}}}'::uuid[]) WITH ORDINALITY AS id (message_id, ord) JOIN user_logins USING (message_id)");
    }

    public Task<HttpResponseMessage> GetAsync(string path, string? token = null) => SendAsync(HttpMethod.Get, path, token ?? BearerToken.All);

    public Task<HttpResponseMessage> PostAsync(string path, object body, string? token = null) => SendAsync(HttpMethod.Post, path, token ?? BearerToken.All, body);

    /// <summary>Sends a request; without a token if that is null.</summary>
    public async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string? token, object? body = null, HttpClient? client = null)
    {
        using var request = new HttpRequestMessage(method, new Uri(path, UriKind.Relative));
        if (token is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        if (body is not null)
            request.Content = new StringContent(body as string ?? JsonSerializer.Serialize(body), Encoding.UTF8, "application/json");
        return await (client ?? Service.People).SendAsync(request);
    }

    public static async Task<JsonNode> JsonAsync(HttpResponseMessage response)
    {
        using (response)
            return JsonNode.Parse(await response.Content.ReadAsStringAsync())!;
    }

    public Task<long> RecordsAsync(string where = "true") => Database.ScalarAsync<long>($"SELECT count(*) FROM audit WHERE {where}");

    public async ValueTask DisposeAsync()
    {
        await Service.DisposeAsync();
        await Database.DisposeAsync();
    }
}
