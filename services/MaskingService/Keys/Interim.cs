// The shortest way from the secrets API to keysets, so that the rest of the service can run. To be replaced by the keyset source proper
// (JWE, key-encryption keys, reload, clear problems); what the rest relies on: Keyring.Current, KeysetState, SecretReader.ReadTextAsync,
// KeyFeature.AddKeysets, KeysetCommands.Create.
#pragma warning disable
using System.CommandLine;
using System.Text;
using System.Text.Json;
using PiiMasking.Tink;
namespace PiiMasking.MaskingService.Keys;

internal sealed class SecretReader(IConfiguration c)
{
    private readonly HttpClient http = new();
    public async ValueTask<string> ReadTextAsync(string name, CancellationToken ct)
    {
        var endpoint = c["DAPR_HTTP_ENDPOINT"] ?? $"http://127.0.0.1:{c["DAPR_HTTP_PORT"]}";
        using var r = new HttpRequestMessage(HttpMethod.Get, $"{endpoint}/v1.0/secrets/secrets/{name}");
        if (c["DAPR_API_TOKEN"] is { } t) r.Headers.Add("dapr-api-token", t);
        using var a = await http.SendAsync(r, ct);
        a.EnsureSuccessStatusCode();
        var m = JsonSerializer.Deserialize<Dictionary<string, string>>(await a.Content.ReadAsStringAsync(ct))!;
        return m[name];
    }
}
internal sealed class KeysetState(Keyset masking, Keyset quarantine)
{
    private readonly DeterministicAead daead = new(masking);
    public Keyset Masking => masking;
    public FieldCipher Ip => daead.ForField("ip");
    public FieldCipher DeviceId => daead.ForField("device_id");
    public Aead Quarantine { get; } = new(quarantine);
    public Keyset QuarantineKeyset => quarantine;
    public FieldCipher Canary => daead.ForField("canary");
    public bool CanMaskUnder(uint id) => daead.HasKey(id);
}
internal sealed class Keyring { public KeysetState? Current { get; set; } }
internal sealed class Loader(Keyring ring, SecretReader reader) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (ring.Current is null)
        {
            try
            {
                ring.Current = new(Keyset.Parse(Encoding.UTF8.GetBytes(await reader.ReadTextAsync("masking-keyset", stoppingToken))), Keyset.Parse(Encoding.UTF8.GetBytes(await reader.ReadTextAsync("quarantine-keyset", stoppingToken))));
            }
            catch (HttpRequestException) { await Task.Delay(100, stoppingToken); }
        }
    }
}
internal static class KeyFeature
{
    public static void AddKeysets(this IHostApplicationBuilder b)
    {
        b.Services.AddSingleton<Keyring>().AddSingleton<SecretReader>().AddHostedService<Loader>();
    }
}
internal static class KeysetCommands { public static Command Create() => new("keyset", "keys"); }
