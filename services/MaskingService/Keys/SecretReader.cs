using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Options;

namespace PiiMasking.MaskingService.Keys;

/// <summary>Reads secrets through the sidecar's HTTP API, <c>GET /v1.0/secrets/{store}/{secret}</c>.</summary>
/// <remarks>
/// Not by <c>DaprClient.GetSecretAsync</c>: that yields strings, which the collector copies and nobody can wipe. Here the
/// answer is parsed as bytes in pinned memory that is wiped afterwards. That is best effort: the sidecar and the HTTP
/// connection hold copies of their own for a while.
/// </remarks>
internal sealed class SecretReader : IDisposable
{
    // A key takes about 250 bytes of JSON; Key Vault holds 25 KB a secret, AWS 64 KB.
    private const int LargestAnswer = 1024 * 1024;

    private const string Flattened =
        "It was stored as an object, and the store took it apart. Store the keyset's text as one string, with its quotation marks escaped.";

    private readonly HttpClient http;
    private readonly string store;
    private readonly string? apiToken;

    public SecretReader(IConfiguration configuration, IOptions<KeyOptions> options)
    {
        store = options.Value.SecretStore;
        apiToken = configuration["DAPR_API_TOKEN"];
        http = new HttpClient(new SocketsHttpHandler { UseProxy = false, PooledConnectionLifetime = TimeSpan.FromMinutes(5) })
        {
            BaseAddress = SidecarAddress(configuration),
            Timeout = TimeSpan.FromSeconds(10),
        };
    }

    /// <summary>Reads a secret that a library wants as a string, such as a password.</summary>
    /// <exception cref="KeySourceException">There is no such secret; the message says why and what to do.</exception>
    public async ValueTask<string> ReadTextAsync(string secret, CancellationToken stopping)
    {
        using var text = await ReadAsync(new SecretOptions { Secret = secret }, "Store the text under that name.", stopping);
        return Encoding.UTF8.GetString(text.Span);
    }

    /// <summary>Reads one member of one secret.</summary>
    /// <param name="remedy">A sentence: what to do when there is no such secret.</param>
    /// <returns>Its bytes as stored; the caller disposes them.</returns>
    /// <exception cref="KeySourceException">There is no such secret; the message says why and what to do.</exception>
    public async Task<SecretBuffer> ReadAsync(SecretOptions secret, string remedy, CancellationToken stopping)
    {
        try
        {
            using var response = await GetAsync(secret.Secret, stopping);
            if (response.StatusCode != HttpStatusCode.OK)
                throw await RefusedAsync(response, secret.Secret, remedy, stopping);

            await using var stream = await response.Content.ReadAsStreamAsync(stopping);
            using var body = await SecretBuffer.ReadAsync(stream, LargestAnswer, stopping)
                ?? throw new KeySourceException("The secret is larger than 1 MiB.");
            return FindMember(body.Span, secret, remedy);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            var noConnection = e.InnerException is SocketException
                || e is HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError };
            throw new KeySourceException(noConnection
                ? $"The Dapr sidecar does not answer at {http.BaseAddress}; start it, or set DAPR_HTTP_PORT or DAPR_HTTP_ENDPOINT "
                    + "to where it is."
            : $"The Dapr sidecar at {http.BaseAddress} broke off its answer.");
        }
        catch (TaskCanceledException) when (!stopping.IsCancellationRequested)
        {
            throw new KeySourceException($"The Dapr sidecar at {http.BaseAddress} took more than {http.Timeout.TotalSeconds:0} s "
                + $"to answer; can it reach the store '{store}'?");
        }
    }

    public void Dispose() => http.Dispose();

    private static Uri SidecarAddress(IConfiguration configuration)
    {
        var endpoint = configuration["DAPR_HTTP_ENDPOINT"];
        if (string.IsNullOrEmpty(endpoint))
        {
            var port = configuration["DAPR_HTTP_PORT"];
            endpoint = $"http://127.0.0.1:{(string.IsNullOrEmpty(port) ? "3500" : port)}";
        }
        return Uri.TryCreate(endpoint, UriKind.Absolute, out var address) && address.Scheme is "http" or "https"
            ? new Uri(address.GetLeftPart(UriPartial.Authority))
            : throw new InvalidOperationException("DAPR_HTTP_ENDPOINT must be an http(s) address, or DAPR_HTTP_PORT a port number.");
    }

    private static SecretBuffer FindMember(ReadOnlySpan<byte> body, SecretOptions secret, string remedy)
    {
        var reader = new Utf8JsonReader(body);
        var members = 0;
        var looksFlattened = false;
        try
        {
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
                throw new JsonException();
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var isIt = reader.ValueTextEquals(secret.MemberName);
                looksFlattened |= reader.ValueTextEquals("primaryKeyId");
                members++;
                reader.Read();
                if (isIt && reader.TokenType == JsonTokenType.String)
                {
                    var value = new SecretBuffer(reader.ValueSpan.Length);
                    value.Advance(reader.CopyString(value.Free.Span));
                    return value;
                }
                looksFlattened |= isIt;
                reader.Skip();
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // Not as inner exception: its message may quote the secret.
            throw new KeySourceException("The sidecar's answer is not the JSON that Dapr gives for a secret; is it a Dapr sidecar?");
        }

        throw new KeySourceException(
            members == 0 ? "There is no such secret. " + remedy
            : looksFlattened ? Flattened
            : $"The secret has no member '{secret.MemberName}' but {members} under other names; set Member beside the secret's "
                + "name to the one that holds the text.");
    }

    private Task<HttpResponseMessage> GetAsync(string secret, CancellationToken stopping)
    {
        var request = new HttpRequestMessage(
            HttpMethod.Get, $"v1.0/secrets/{Uri.EscapeDataString(store)}/{Uri.EscapeDataString(secret)}");
        if (!string.IsNullOrEmpty(apiToken))
            request.Headers.Add("dapr-api-token", apiToken);
        return http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, stopping);
    }

    private async Task<KeySourceException> RefusedAsync(
        HttpResponseMessage response, string secret, string remedy, CancellationToken stopping)
    {
        var code = await ErrorCodeAsync(response, stopping);
        if (code is "ERR_SECRET_STORE_NOT_FOUND" or "ERR_SECRET_STORES_NOT_CONFIGURED")
            return new($"The sidecar has no secret store '{store}'. Set Keys:SecretStore to the name of one that it loads, or give "
                + "it that component.");
        if (response.StatusCode == HttpStatusCode.Unauthorized)
            return new("The sidecar refuses the API token; set DAPR_API_TOKEN to the one that the sidecar was started with.");
        if (response.StatusCode == HttpStatusCode.Forbidden)
            return new("The sidecar does not let this app read it; allow it in the Configuration's spec.secrets.scopes.");
        if (response.StatusCode == HttpStatusCode.NoContent)
            return new("There is no such secret. " + remedy);

        // A store of single values has flattened an object into secrets of their own: masking-keyset:primaryKeyId and so on.
        using var piece = await GetAsync($"{secret}:primaryKeyId", stopping);
        if (piece.StatusCode == HttpStatusCode.OK)
            return new(Flattened);
        return new(
            $"The secret store '{store}' does not give it out (HTTP {(int)response.StatusCode}): it is not there, or the store "
                + $"cannot be reached. {remedy}");
    }

    private static async Task<string?> ErrorCodeAsync(HttpResponseMessage response, CancellationToken stopping)
    {
        await using var stream = await response.Content.ReadAsStreamAsync(stopping);
        using var body = await SecretBuffer.ReadAsync(stream, LargestAnswer, stopping);
        try
        {
            using var json = JsonDocument.Parse(body?.Memory ?? default);
            return json.RootElement.ValueKind == JsonValueKind.Object && json.RootElement.TryGetProperty("errorCode", out var code)
                && code.ValueKind == JsonValueKind.String ? code.GetString() : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
