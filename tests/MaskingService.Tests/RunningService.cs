using System.Net.Http.Json;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using PiiMasking.Contracts;
using PiiMasking.Logins;
using PiiMasking.MaskingService.Tests.People;
using PiiMasking.Testing;
using PiiMasking.Tink;

namespace PiiMasking.MaskingService.Tests;

/// <summary>The whole service on loopback ports, with a real database and the secrets API over HTTP.</summary>
internal sealed class RunningService : IAsyncDisposable
{
    private readonly WebApplication host;
    private readonly bool ownsStore;

    private RunningService(WebApplication host, FakeSecretStore store, bool ownsStore, CapturedLogs logs)
    {
        (this.host, Store, this.ownsStore, Logs) = (host, store, ownsStore, logs);
        var addresses = host.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.ToArray();
        App = new HttpClient(Patient()) { BaseAddress = addresses.Length > 0 ? new Uri(addresses[0]) : null };
        People = new HttpClient(Patient()) { BaseAddress = addresses.Length > 1 ? new Uri(addresses[1]) : null };
    }

    public FakeSecretStore Store { get; }

    public CapturedLogs Logs { get; }

    /// <summary>Client of the app port.</summary>
    public HttpClient App { get; }

    /// <summary>Client of the people port.</summary>
    public HttpClient People { get; }

    public IServiceProvider Services => host.Services;

    /// <summary>Ends when the service stops itself.</summary>
    public CancellationToken Stopped => host.Lifetime.ApplicationStopping;

    // A body that is announced waits for its refusal, on a busy machine too.
    private static SocketsHttpHandler Patient() => new() { Expect100ContinueTimeout = TimeSpan.FromMinutes(1) };

    /// <summary>A store with fresh keysets.</summary>
    public static async Task<FakeSecretStore> StoreWithKeysetsAsync()
    {
        var store = await FakeSecretStore.StartAsync();
        store.Secrets["masking-keyset"] = NewKeyset(KeyKind.DeterministicAead);
        store.Secrets["quarantine-keyset"] = NewKeyset(KeyKind.Aead);
        store.Secrets["integrity-keyset"] = NewKeyset(KeyKind.Mac);
        return store;
    }

    public static string NewKeyset(KeyKind kind)
    {
        using var keyset = Keyset.Generate(kind);
        return Encoding.UTF8.GetString(keyset.ToJson());
    }

    /// <summary>Starts it; does not wait until it is ready.</summary>
    public static async Task<RunningService> StartAsync(
        TestDatabase database, FakeSecretStore? store = null, Dictionary<string, string?>? settings = null, Action<WebApplicationBuilder>? configure = null)
    {
        var ownsStore = store is null;
        store ??= await StoreWithKeysetsAsync();
        var logs = new CapturedLogs();
        var host = MaskingHost.Build(builder =>
        {
            builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
            {
                ["Kestrel:Endpoints:App:Url"] = "http://127.0.0.1:0",
                ["Kestrel:Endpoints:People:Url"] = "http://127.0.0.1:0",
                ["ConnectionStrings:Database"] = database.ConnectionStringOf(MigratedDatabases.Writer, MigratedDatabases.WriterPassword),
                ["ConnectionStrings:People"] = database.ConnectionStringOf(MigratedDatabases.People, MigratedDatabases.PeoplePassword),
                ["People:SigningKeyFile"] = BearerToken.KeyFile,
                ["People:Audience"] = BearerToken.Audience,
                ["DAPR_HTTP_ENDPOINT"] = store.Endpoint,
            });
            builder.Configuration.AddInMemoryCollection(settings ?? []);
            builder.Logging.ClearProviders().AddProvider(logs).SetMinimumLevel(LogLevel.Debug);
            configure?.Invoke(builder);
        });
        try
        {
            await host.StartAsync();
        }
        catch (OperationCanceledException) when (host.Lifetime.ApplicationStopping.IsCancellationRequested)
        {
            // It had reason to stop itself before its ports were open.
        }

        return new RunningService(host, store, ownsStore, logs);
    }

    /// <summary>Starts it and waits until it is ready.</summary>
    public static async Task<RunningService> StartReadyAsync(
        TestDatabase database, FakeSecretStore? store = null, Dictionary<string, string?>? settings = null, Action<WebApplicationBuilder>? configure = null)
    {
        var service = await StartAsync(database, store, settings, configure);
        await service.WaitUntilReadyAsync();
        return service;
    }

    public Task WaitUntilReadyAsync() => Eventually.HoldsAsync(
        "the service is ready", async () => (await App.GetAsync(new Uri("/readyz", UriKind.Relative))).IsSuccessStatusCode);

    /// <summary>What /readyz says is missing.</summary>
    public Task<string> ReadinessAsync() => ReadAsync(App.GetAsync(new Uri("/readyz", UriKind.Relative)));

    public Task<HttpResponseMessage> PostAsync(params LoginMessage[] messages) =>
        App.PostAsJsonAsync(LoginBatch.Route, new LoginBatch(messages), ContractsJson.Default.LoginBatch);

    /// <summary>Stores a batch and returns the outcomes by position.</summary>
    public async Task<IReadOnlyList<LoginOutcome>> StoreAsync(params LoginMessage[] messages)
    {
        using var response = await PostAsync(messages);
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync());
        return (await response.Content.ReadFromJsonAsync(ContractsJson.Default.LoginBatchResult))!.Outcomes;
    }

    public static Login Login(string ip = "198.18.0.1", string deviceId = "593-47-5928", string userId = "user-1", string? locale = "RU", int? version = 2_003_000) =>
        new(userId, "android", new Pii(ip), new Pii(deviceId), locale, version);

    public static LoginMessage Message(Login? login = null, Guid? id = null, DateTimeOffset? sentAt = null, bool timeless = false) =>
        new(id ?? Guid.NewGuid(), timeless ? null : sentAt ?? new DateTimeOffset(2026, 11, 22, 10, 0, 0, TimeSpan.Zero), login ?? Login(), null);

    public static LoginMessage Rejected(string payload, string reason = "not_json", Guid? id = null) =>
        new(id ?? Guid.NewGuid(), new DateTimeOffset(2026, 11, 22, 10, 0, 0, TimeSpan.Zero), null, new Rejection(reason, Encoding.UTF8.GetBytes(payload)));

    public async ValueTask DisposeAsync()
    {
        App.Dispose();
        People.Dispose();
        await host.StopAsync();
        await host.DisposeAsync();
        if (ownsStore)
            await Store.DisposeAsync();
    }

    private static async Task<string> ReadAsync(Task<HttpResponseMessage> request)
    {
        using var response = await request;
        return await response.Content.ReadAsStringAsync();
    }
}
