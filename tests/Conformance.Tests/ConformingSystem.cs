using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Npgsql;
using PiiMasking.AppHost;
using PiiMasking.Testing;

namespace PiiMasking.Conformance.Tests;

/// <summary>The whole system on one set's logins.yaml; all else is that of components/local. Published to by Dapr's own API.</summary>
internal sealed class ConformingSystem : IAsyncDisposable
{
    private const string Topic = "login-queue";
    private const int MostInACall = 100;

    private readonly ScratchFolder scratch = new();
    private readonly HttpClient http = new(new SocketsHttpHandler { UseProxy = false });
    private State? state;
    private LocalSystem? system;

    private ConformingSystem(ComponentSet set) => Set = set;

    public ComponentSet Set { get; }

    public LocalSystem Running => system!;

    public static async Task<ConformingSystem> StartAsync(ComponentSet set, CancellationToken stopping)
    {
        var conforming = new ConformingSystem(set);
        try
        {
            conforming.state = State.TakeFirst(conforming.scratch["state"]);
            await conforming.AddSecretsAsync(stopping);
            conforming.system = await LocalSystem.StartAsync(
                new LocalSystemOptions { Set = conforming.PutTogether(), HasQueue = set.ReadsSqs }, conforming.state, _ => { }, stopping);
            conforming.http.DefaultRequestHeaders.Add("dapr-api-token", conforming.system.IngestionApi.ApiToken);
            return conforming;
        }
        catch
        {
            await conforming.DisposeAsync();
            throw;
        }
    }

    /// <summary>A message with an identity that this set keeps: bare if the broker names it, else in a CloudEvent.</summary>
    public string Message(string login) => Set.NamesMessages ? login : Event(Guid.NewGuid().ToString(), login);

    /// <summary>A CloudEvent around a login.</summary>
    public static string Event(string id, string login) => new JsonObject
    {
        ["specversion"] = "1.0",
        ["id"] = id,
        ["source"] = "conformance",
        ["type"] = "login",
        ["time"] = TimeProvider.System.GetUtcNow().ToString("O"),
        ["datacontenttype"] = "application/json",
        ["data"] = JsonNode.Parse(login),
    }.ToJsonString();

    /// <summary>Publishes bodies as they are, a hundred a call, one call after the other.</summary>
    public async Task PublishAsync(IEnumerable<string> bodies, CancellationToken stopping)
    {
        var route = new Uri(Running.IngestionApi.Address, $"/v1.0/publish/bulk/logins/{Topic}?metadata.rawPayload=true");
        foreach (var part in bodies.Chunk(MostInACall))
        {
            var entries = part.Select((body, at) => new Dictionary<string, object>
            {
                ["entryId"] = $"{at}",
                ["event"] = Convert.ToBase64String(Encoding.UTF8.GetBytes(body)),
                ["contentType"] = "application/octet-stream",
            });
            using var content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(entries));
            content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            using var answer = await http.PostAsync(route, content, stopping);
            Assert.True(answer.IsSuccessStatusCode, $"published: {(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync(stopping)}");
        }
    }

    /// <returns>How many rows the users with this prefix have, and how many of them there are.</returns>
    public async Task<(long Rows, long Users)> StoredAsync(string prefix)
    {
        await using var connection = await OpenAsync();
        await using var command = new NpgsqlCommand(
            "SELECT count(*), count(DISTINCT user_id) FROM user_logins WHERE user_id LIKE $1", connection)
        {
            Parameters = { new() { Value = prefix + "%" } },
        };
        await using var reader = await command.ExecuteReaderAsync();
        await reader.ReadAsync();
        return (reader.GetInt64(0), reader.GetInt64(1));
    }

    /// <returns>The first column of the first row, as the owner sees it.</returns>
    public async Task<T> ScalarAsync<T>(string sql)
    {
        await using var connection = await OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return (T)(await command.ExecuteScalarAsync())!;
    }

    /// <summary>As the owner.</summary>
    public async Task<NpgsqlConnection> OpenAsync()
    {
        var connection = new NpgsqlConnection(Running.Database.OwnerConnectionString);
        await connection.OpenAsync();
        return connection;
    }

    public async ValueTask DisposeAsync()
    {
        http.Dispose();
        if (system is not null)
            await system.DisposeAsync();
        state?.Dispose();
        scratch.Dispose();
    }

    /// <summary>What the set's secretKeyRefs name: a JSON object of strings in the file CONFORMANCE_SECRETS.</summary>
    private async Task AddSecretsAsync(CancellationToken stopping)
    {
        if (Environment.GetEnvironmentVariable("CONFORMANCE_SECRETS") is not { } file)
            return;
        await Secrets.EnsureAsync(state!, stopping);
        var secrets = JsonNode.Parse(await File.ReadAllTextAsync(state!.Secrets, stopping))!.AsObject();
        foreach (var (name, value) in JsonNode.Parse(await File.ReadAllTextAsync(file, stopping))!.AsObject())
            secrets[name] = value!.GetValue<string>();
        await File.WriteAllTextAsync(state.Secrets, secrets.ToJsonString(), stopping);
    }

    private string PutTogether()
    {
        var folder = scratch["components"];
        Directory.CreateDirectory(folder);
        var local = Path.Combine(Backing.Repository.Root, "components", "local");
        foreach (var file in new[] { "secrets.yaml", "configuration-ingestion.yaml", "configuration-masking.yaml" })
            File.Copy(Path.Combine(local, file), Path.Combine(folder, file));
        File.Copy(Path.Combine(Set.Folder, "logins.yaml"), Path.Combine(folder, "logins.yaml"));
        return folder;
    }
}
