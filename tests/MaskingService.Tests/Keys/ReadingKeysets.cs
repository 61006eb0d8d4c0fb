using System.Diagnostics.Metrics;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using PiiMasking.MaskingService.Keys;
using PiiMasking.Testing;
using PiiMasking.Tink;

namespace PiiMasking.MaskingService.Tests.Keys;

public sealed class ReadingKeysets : IAsyncLifetime
{
    private readonly CapturedLogs logs = new();
    private readonly FakeTimeProvider time = new();
    private readonly Dictionary<string, string?> settings = [];
    private FakeSidecar sidecar = null!;
    private ServiceProvider? services;

    private Keyring Keyring => (services ??= Build()).GetRequiredService<Keyring>();

    public async ValueTask InitializeAsync()
    {
        sidecar = await FakeSidecar.StartAsync();
        settings["DAPR_HTTP_ENDPOINT"] = sidecar.Endpoint;
        sidecar.Store("masking-keyset", NewKeyset(KeyKind.DeterministicAead));
        sidecar.Store("quarantine-keyset", NewKeyset(KeyKind.Aead));
    }

    public async ValueTask DisposeAsync()
    {
        if (services is not null)
            await services.DisposeAsync();
        await sidecar.DisposeAsync();
    }

    [Fact]
    public async Task Keysets_are_read_and_mask()
    {
        using var keyset = Keyset.Generate(KeyKind.DeterministicAead);
        sidecar.Store("masking-keyset", Text(keyset));
        using var expected = new DeterministicAead(keyset);

        Assert.Null(Keyring.Current);
        Assert.NotNull(Keyring.Problem);
        Assert.Equal(HealthStatus.Unhealthy, (await HealthAsync()).Status);
        await Keyring.ReloadAsync(Stopping);

        var state = Keyring.Current!;
        Assert.Null(Keyring.Problem);
        Assert.Same(state, await Keyring.WhenLoadedAsync(Stopping));
        Assert.Equal(expected.ForField("ip").EncryptToBase64(keyset.PrimaryKeyId, "x"u8), state.Ip.EncryptToBase64(keyset.PrimaryKeyId, "x"u8));
        Assert.Equal(
            expected.ForField("device_id").EncryptToBase64(keyset.PrimaryKeyId, "x"u8), state.DeviceId.EncryptToBase64(keyset.PrimaryKeyId, "x"u8));
        Assert.True(state.Quarantine.TryDecrypt(state.Quarantine.Encrypt("x"u8, []), [], out _));
        var health = await HealthAsync();
        Assert.Equal(HealthStatus.Healthy, health.Status);
        Assert.Equal(keyset.PrimaryKeyId, health.Data["masking_primary_key_id"]);
    }

    public static TheoryData<string, string, string> UnusableSecrets => new()
    {
        { "the empty text of the environment store", "", "It is empty" },
        { "white space", " \n ", "It is empty" },
        { "a JSON string in a string", "\"{}\"", "quotation marks" },
        { "any text", "changeme", "neither a keyset nor a JWE" },
        { "a keyset that is cut short", NewKeyset(KeyKind.DeterministicAead)[..100], "cut short" },
        { "a disabled primary", Changed(json => json["key"]![0]!["status"] = "DISABLED"), "is DISABLED; enable it" },
        { "no primary", Changed(json => json["primaryKeyId"] = 7), "has no such key" },
        { "zeros", Changed(json => json["key"]![0]!["keyData"]!["value"] = Convert.ToBase64String([0x12, 64, .. new byte[64]])), "all zeros" },
        { "the other keyset", NewKeyset(KeyKind.Aead), "swapped" },
        { "a wrapped keyset without a key for it", JweVectors.Test("valid-2048").Text("jwe"), "Keys:KeyVault:VaultUri" },
    };

    [Theory]
    [MemberData(nameof(UnusableSecrets))]
    public async Task An_unusable_secret_is_refused_with_a_reason_and_without_its_text(string what, string secret, string reason)
    {
        sidecar.Store("masking-keyset", secret);

        await Keyring.ReloadAsync(Stopping);

        Assert.Null(Keyring.Current);
        Assert.Contains(reason, Keyring.Problem, StringComparison.Ordinal);
        Assert.StartsWith("Secret 'masking-keyset': ", Keyring.Problem, StringComparison.Ordinal);
        Assert.Equal(Keyring.Problem, (await HealthAsync()).Description);
        Assert.Contains(logs.Lines, line => line.Level == LogLevel.Error && line.Message.Contains(reason, StringComparison.Ordinal));
        if (secret.Trim().Length > 8)
            Assert.False(Keyring.Problem!.Contains(secret.Trim()[8..], StringComparison.Ordinal), what);
        AssertNoKeyBytesInLogs();
    }

    [Fact]
    public async Task A_missing_secret_is_named_with_the_command_that_makes_it()
    {
        sidecar.Answers.Remove("quarantine-keyset");

        await Keyring.ReloadAsync(Stopping);

        Assert.StartsWith("Secret 'quarantine-keyset': ", Keyring.Problem, StringComparison.Ordinal);
        Assert.Contains("keyset new --kind quarantine", Keyring.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_secret_without_members_is_missing_too()
    {
        sidecar.Answers["masking-keyset"] = (204, "");
        await Keyring.ReloadAsync(Stopping);
        Assert.Contains("There is no such secret", Keyring.Problem, StringComparison.Ordinal);

        sidecar.Answers["masking-keyset"] = (200, "{}");
        await Keyring.ReloadAsync(Stopping);
        Assert.Contains("There is no such secret", Keyring.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_keyset_stored_as_an_object_is_recognised_in_both_forms_of_the_local_store()
    {
        // Multi-valued: the leaves are the secret's members, numbers ruined.
        sidecar.Answers["masking-keyset"] = (200, """{"primaryKeyId":"%!s(float64=7)","key:0:keyId":"%!s(float64=7)","key:0:status":"ENABLED"}""");
        await Keyring.ReloadAsync(Stopping);
        Assert.Contains("stored as an object", Keyring.Problem, StringComparison.Ordinal);

        // Name and value: the leaves are secrets of their own.
        sidecar.Answers.Remove("masking-keyset");
        sidecar.Store("masking-keyset:primaryKeyId", "%!s(float64=7)");
        await Keyring.ReloadAsync(Stopping);
        Assert.Contains("stored as an object", Keyring.Problem, StringComparison.Ordinal);

        sidecar.Answers["masking-keyset"] = (200, $$"""{"masking-keyset":{{NewKeyset(KeyKind.DeterministicAead)}}}""");
        await Keyring.ReloadAsync(Stopping);
        Assert.Contains("stored as an object", Keyring.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_store_with_members_is_read_by_the_members_name()
    {
        var keyset = NewKeyset(KeyKind.DeterministicAead);
        sidecar.Answers["masking-keyset"] = (200, new JsonObject { ["other"] = "x", ["keyset.json"] = keyset }.ToJsonString());
        await Keyring.ReloadAsync(Stopping);
        Assert.Contains("no member 'masking-keyset'", Keyring.Problem, StringComparison.Ordinal);

        settings["Keys:Masking:Member"] = "keyset.json";
        await RebuildAsync();
        await Keyring.ReloadAsync(Stopping);
        Assert.NotNull(Keyring.Current);
    }

    [Fact]
    public async Task A_wrong_store_a_wrong_token_and_a_scoped_secret_are_told_apart()
    {
        settings["Keys:SecretStore"] = "vault";
        await Keyring.ReloadAsync(Stopping);
        Assert.Contains("no secret store 'vault'", Keyring.Problem, StringComparison.Ordinal);

        settings.Remove("Keys:SecretStore");
        sidecar.ApiToken = "api-token-of-the-sidecar";
        await RebuildAsync();
        await Keyring.ReloadAsync(Stopping);
        Assert.Contains("DAPR_API_TOKEN", Keyring.Problem, StringComparison.Ordinal);

        settings["DAPR_API_TOKEN"] = sidecar.ApiToken;
        sidecar.Answers["masking-keyset"] = (403, """{"errorCode":"ERR_PERMISSION_DENIED","message":"access denied by policy"}""");
        await RebuildAsync();
        await Keyring.ReloadAsync(Stopping);
        Assert.Contains("spec.secrets.scopes", Keyring.Problem, StringComparison.Ordinal);

        sidecar.Store("masking-keyset", NewKeyset(KeyKind.DeterministicAead));
        await Keyring.ReloadAsync(Stopping);
        Assert.Null(Keyring.Problem);
        Assert.DoesNotContain(sidecar.ApiToken, logs.Everything, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_sidecar_that_is_away_is_named_by_its_address()
    {
        settings["DAPR_HTTP_ENDPOINT"] = null;
        settings["DAPR_HTTP_PORT"] = "9";

        await Keyring.ReloadAsync(Stopping);

        Assert.Contains("does not answer at http://127.0.0.1:9", Keyring.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Something_else_than_a_sidecar_is_not_taken_for_one()
    {
        sidecar.Answers["masking-keyset"] = (200, "<html>hello</html>");

        await Keyring.ReloadAsync(Stopping);

        Assert.Contains("is it a Dapr sidecar?", Keyring.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrapped_keyset_is_opened_by_a_local_key_and_demanded_by_RequireKek()
    {
        using var scratch = new ScratchFolder();
        using var kek = RSA.Create(2048);
        await File.WriteAllTextAsync(scratch["kek.pem"], kek.ExportPkcs8PrivateKeyPem());
        settings["Keys:LocalKekFile"] = scratch["kek.pem"];
        settings["Keys:RequireKek"] = "true";

        await Keyring.ReloadAsync(Stopping);
        Assert.Contains("Keys:RequireKek is set", Keyring.Problem, StringComparison.Ordinal);

        foreach (var (name, kind) in new[] { ("masking-keyset", KeyKind.DeterministicAead), ("quarantine-keyset", KeyKind.Aead) })
            sidecar.Store(name, Jwe.Wrap(Encoding.UTF8.GetBytes(NewKeyset(kind)), kek, "local") + "\n");
        await Keyring.ReloadAsync(Stopping);
        Assert.NotNull(Keyring.Current);
    }

    [Fact]
    public async Task What_is_wrapped_but_no_keyset_is_refused_by_the_keyset_reader()
    {
        using var scratch = new ScratchFolder();
        using var kek = RSA.Create(2048);
        await File.WriteAllTextAsync(scratch["kek.pem"], kek.ExportPkcs8PrivateKeyPem());
        settings["Keys:LocalKekFile"] = scratch["kek.pem"];
        sidecar.Store("masking-keyset", Jwe.Wrap("not a keyset"u8, kek, "local"));

        await Keyring.ReloadAsync(Stopping);

        Assert.Contains("not JSON", Keyring.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_bad_new_version_never_replaces_a_good_one()
    {
        await Keyring.ReloadAsync(Stopping);
        var good = Keyring.Current;
        var stored = sidecar.Answers["masking-keyset"];

        sidecar.Store("masking-keyset", "");
        await Keyring.ReloadAsync(Stopping);
        Assert.Same(good, Keyring.Current);
        var health = await HealthAsync();
        Assert.Equal(HealthStatus.Degraded, health.Status);
        Assert.Contains("It is empty", health.Description, StringComparison.Ordinal);

        sidecar.Answers["masking-keyset"] = stored;
        await Keyring.ReloadAsync(Stopping);
        Assert.Same(good, Keyring.Current);
        Assert.Null(Keyring.Problem);
    }

    [Fact]
    public async Task A_keyset_without_the_key_that_the_data_is_under_is_refused()
    {
        using var keyset = Keyset.Generate(KeyKind.DeterministicAead);
        sidecar.Store("masking-keyset", Text(keyset));
        await Keyring.ReloadAsync(Stopping);
        var good = Keyring.Current;
        Keyring.RequiredMaskingKeyIds = [keyset.PrimaryKeyId];

        using var rotated = keyset.WithNewKey(makePrimary: true);
        using var disabled = rotated.WithStatus(keyset.PrimaryKeyId, KeyStatus.Disabled);
        foreach (var refused in new[] { NewKeyset(KeyKind.DeterministicAead), Text(disabled) })
        {
            sidecar.Store("masking-keyset", refused);
            await Keyring.ReloadAsync(Stopping);
            Assert.Same(good, Keyring.Current);
            Assert.Contains($"under key {keyset.PrimaryKeyId}", Keyring.Problem, StringComparison.Ordinal);
        }

        sidecar.Store("masking-keyset", Text(rotated));
        await Keyring.ReloadAsync(Stopping);
        Assert.Null(Keyring.Problem);
        Assert.True(Keyring.Current!.CanMaskUnder(rotated.PrimaryKeyId));
    }

    [Theory]
    [InlineData("masking-keyset", KeyKind.DeterministicAead)]
    [InlineData("quarantine-keyset", KeyKind.Aead)]
    public async Task Another_key_under_the_id_of_a_known_one_is_refused(string secret, KeyKind kind)
    {
        using var keyset = Keyset.Generate(kind);
        using var other = Keyset.Generate(kind);
        sidecar.Store(secret, Text(keyset));
        await Keyring.ReloadAsync(Stopping);
        var good = Keyring.Current;

        sidecar.Store(secret, Text(other).Replace($"{other.PrimaryKeyId}", $"{keyset.PrimaryKeyId}", StringComparison.Ordinal));
        await Keyring.ReloadAsync(Stopping);

        Assert.Same(good, Keyring.Current);
        Assert.Contains("is another key than it was", Keyring.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_replaced_state_serves_its_readers_on_and_is_wiped_later()
    {
        await Keyring.ReloadAsync(Stopping);
        var old = Keyring.Current!;
        sidecar.Store("masking-keyset", NewKeyset(KeyKind.DeterministicAead));
        await Keyring.ReloadAsync(Stopping);
        Assert.NotSame(old, Keyring.Current);

        Assert.NotEmpty(old.Ip.EncryptToBase64(old.Masking.PrimaryKeyId, "x"u8));
        time.Advance(Keyring.Grace);
        await Keyring.ReloadAsync(Stopping);

        Assert.Throws<ObjectDisposedException>(() => old.Ip.EncryptToBase64(old.Masking.PrimaryKeyId, "x"u8));
        Assert.NotEmpty(Keyring.Current!.Ip.EncryptToBase64(Keyring.Current.Masking.PrimaryKeyId, "x"u8));
    }

    [Fact]
    public async Task An_unknown_key_id_makes_the_secrets_be_read_at_most_every_ten_seconds()
    {
        using var keyset = Keyset.Generate(KeyKind.DeterministicAead);
        using var rotated = keyset.WithNewKey(makePrimary: true);
        sidecar.Store("masking-keyset", Text(keyset));
        await Keyring.ReloadAsync(Stopping);
        sidecar.Store("masking-keyset", Text(rotated));
        var calls = sidecar.Calls;

        Assert.Null(await Keyring.ReloadForAsync(rotated.PrimaryKeyId, Stopping));
        Assert.Equal(calls, sidecar.Calls);
        Assert.NotNull(await Keyring.ReloadForAsync(keyset.PrimaryKeyId, Stopping));

        time.Advance(Keyring.UnknownKeyInterval);
        var states = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Keyring.ReloadForAsync(rotated.PrimaryKeyId, Stopping)));
        Assert.All(states, state => Assert.True(state!.CanMaskUnder(rotated.PrimaryKeyId)));
        Assert.Equal(calls + 2, sidecar.Calls);

        Assert.Null(await Keyring.ReloadForAsync(7, Stopping));
        Assert.Equal(calls + 2, sidecar.Calls);
    }

    [Fact]
    public async Task The_loader_tries_until_it_works_and_reads_again_on_schedule()
    {
        sidecar.Answers.Remove("masking-keyset");
        settings["Keys:ReloadEvery"] = "00:05:00";
        services = Build();
        using var loader = services.GetServices<IHostedService>().OfType<KeysetLoader>().Single();
        await loader.StartAsync(Stopping);
        await Eventually.HoldsAsync("the missing secret is noticed", () => Keyring.Problem!.Contains("masking-keyset", StringComparison.Ordinal));

        sidecar.Store("masking-keyset", NewKeyset(KeyKind.DeterministicAead));
        await Eventually.HoldsAsync("the keysets are read", () =>
        {
            time.Advance(TimeSpan.FromSeconds(1));
            return Keyring.Current is not null;
        });
        var first = Keyring.Current;
        using var rotated = first!.Masking.WithNewKey(makePrimary: true);
        sidecar.Store("masking-keyset", Text(rotated));
        await Eventually.HoldsAsync("the rotated keyset is read", () =>
        {
            time.Advance(TimeSpan.FromMinutes(5));
            return Keyring.Current!.Masking.PrimaryKeyId == rotated.PrimaryKeyId;
        });

        await loader.StopAsync(Stopping);
        AssertNoKeyBytesInLogs();
    }

    [Fact]
    public async Task The_same_problem_is_logged_once()
    {
        sidecar.Store("masking-keyset", "");
        for (var i = 0; i < 5; i++)
            await Keyring.ReloadAsync(Stopping);

        Assert.Single(logs.Lines, line => line.Level == LogLevel.Error);
    }

    [Fact]
    public async Task Primary_keys_and_outcomes_are_metered()
    {
        var measured = new Dictionary<string, long>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, self) =>
            {
                if (instrument.Meter.Name == KeyMetrics.MeterName)
                    self.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) =>
        {
            lock (measured)
                measured[$"{instrument.Name} {tags[0].Value}"] = value;
        });
        listener.Start();

        await Keyring.ReloadAsync(Stopping);
        await Keyring.ReloadAsync(Stopping);
        sidecar.Store("masking-keyset", "");
        await Keyring.ReloadAsync(Stopping);
        listener.RecordObservableInstruments();

        lock (measured)
        {
            Assert.Contains("piimasking.keysets.loads changed", measured.Keys);
            Assert.Contains("piimasking.keysets.loads unchanged", measured.Keys);
            Assert.Contains("piimasking.keysets.loads refused", measured.Keys);
            Assert.Contains("piimasking.keysets.primary_key_id masking", measured.Keys);
            Assert.Contains("piimasking.keysets.primary_key_id quarantine", measured.Keys);
        }
    }

    [Theory]
    [InlineData("Keys:KeyVault:VaultUri", "http://contoso.vault.azure.net", "VaultUri")]
    [InlineData("Keys:KeyVault:VaultUri", "https://contoso.vault.azure.net/keys/x", "VaultUri")]
    [InlineData("Keys:KeyVault:VaultUri", "https://contoso.vault.azure.net:8443", "VaultUri")]
    [InlineData("Keys:KeyVault:KeyName", "a/b", "KeyName")]
    [InlineData("Keys:LocalKekFile", "/no/such/file.pem", "LocalKekFile")]
    [InlineData("Keys:RequireKek", "true", "RequireKek")]
    [InlineData("Keys:ReloadEvery", "00:00:00", "ReloadEvery")]
    [InlineData("Keys:Masking:Secret", "", "Keys:Masking:Secret")]
    [InlineData("Keys:SecretStore", "", "SecretStore")]
    public void Wrong_settings_are_refused_at_the_start(string setting, string value, string named)
    {
        settings[setting] = value;
        services = Build();

        var refusal = Assert.Throws<OptionsValidationException>(() => services.GetRequiredService<IOptions<KeyOptions>>().Value);

        Assert.Contains(refusal.Failures, failure => failure.Contains(named, StringComparison.Ordinal));
    }

    private static CancellationToken Stopping => TestContext.Current.CancellationToken;

    private static string NewKeyset(KeyKind kind)
    {
        using var keyset = Keyset.Generate(kind);
        return Text(keyset);
    }

    private static string Text(Keyset keyset) => Encoding.UTF8.GetString(keyset.ToJson());

    private static string Changed(Action<JsonNode> change)
    {
        var json = JsonNode.Parse(NewKeyset(KeyKind.DeterministicAead))!;
        change(json);
        return json.ToJsonString();
    }

    /// <summary>Long pieces of text without quotation marks in them are the base64 of keys, or names of types.</summary>
    private void AssertNoKeyBytesInLogs()
    {
        var pieces = sidecar.Answers.Values.SelectMany(answer => answer.Body.Split('"', '\\'));
        foreach (var key in pieces.Where(piece => piece.Length > 40 && !piece.StartsWith("type.", StringComparison.Ordinal)))
            Assert.DoesNotContain(key, logs.Everything, StringComparison.Ordinal);
    }

    private async Task<HealthCheckResult> HealthAsync()
    {
        var report = await services!.GetRequiredService<HealthCheckService>().CheckHealthAsync(Stopping);
        var entry = report.Entries["keysets"];
        return new HealthCheckResult(entry.Status, entry.Description, entry.Exception, entry.Data);
    }

    private async Task RebuildAsync()
    {
        await services!.DisposeAsync();
        services = null;
    }

    private ServiceProvider Build()
    {
        var builder = Host.CreateEmptyApplicationBuilder(new());
        builder.Configuration.AddInMemoryCollection(settings);
        builder.Logging.AddProvider(logs).SetMinimumLevel(LogLevel.Trace);
        builder.Services.AddSingleton<TimeProvider>(time);
        builder.AddKeysets();
        return builder.Services.BuildServiceProvider(validateScopes: true);
    }
}
