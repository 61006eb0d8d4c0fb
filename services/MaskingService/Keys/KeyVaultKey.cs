#if !KEY_VAULT_SDK
using System.Buffers;
using System.Buffers.Text;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using Azure;
using Azure.Core;
using Azure.Core.Cryptography;
using Azure.Core.Pipeline;

namespace PiiMasking.MaskingService.Keys;

/// <summary>Keys of a vault, over REST; the build with <c>-p:KeyVaultSdk=true</c> takes Azure's own client instead.</summary>
internal sealed class KeyVaultKeys
{
    private readonly HttpPipeline pipeline;

    public KeyVaultKeys(KeyVaultOptions vault, TokenCredential credential, HttpPipelineTransport? transport)
    {
        var host = vault.VaultUri!.IdnHost;
        // vault.azure.net, managedhsm.azure.net, vault.azure.cn, vault.usgovcloudapi.net: the scope is the host without its first label.
        var scope = $"https://{host[(host.IndexOf('.') + 1)..]}/.default";
        // Retries, obeying Retry-After, are the pipeline's. Contents are not logged, and must never be.
        var options = new RestOptions { Retry = { NetworkTimeout = vault.Timeout, MaxRetries = 2 } };
        if (transport is not null)
            options.Transport = transport;
        pipeline = HttpPipelineBuilder.Build(options, new BearerTokenAuthenticationPolicy(credential, scope));
    }

    /// <param name="keyId">The key's URL with version, already checked: a bearer token is sent there.</param>
    public IKeyEncryptionKey Get(Uri keyId) => new KeyVaultKey(pipeline, keyId);

    private sealed class RestOptions : ClientOptions;
}

/// <summary>One version of a key in Azure Key Vault: <c>POST {key}/unwrapkey</c>.</summary>
internal sealed class KeyVaultKey(HttpPipeline pipeline, Uri keyId) : IKeyEncryptionKey
{
    private const string ApiVersion = "7.4";

    public string KeyId { get; } = keyId.ToString();

    public async Task<byte[]> UnwrapKeyAsync(
        string algorithm, ReadOnlyMemory<byte> encryptedKey, CancellationToken cancellationToken = default)
    {
        using var message = pipeline.CreateMessage();
        message.Request.Method = RequestMethod.Post;
        message.Request.Uri.Reset(keyId);
        message.Request.Uri.AppendPath("/unwrapkey", escape: false);
        message.Request.Uri.AppendQuery("api-version", ApiVersion, escapeValue: false);
        message.Request.Headers.Add(HttpHeader.Common.JsonContentType);
        message.Request.Headers.Add(HttpHeader.Common.JsonAccept);
        message.Request.Content = RequestContent.Create(Body(algorithm, encryptedKey.Span));

        await pipeline.SendAsync(message, cancellationToken);
        if (message.Response.Status != 200)
            throw new RequestFailedException(message.Response);

        var answer = message.Response.Content.ToMemory();
        try
        {
            return ReadAnswer(answer.Span);
        }
        finally
        {
            if (MemoryMarshal.TryGetArray(answer, out var array))
                CryptographicOperations.ZeroMemory(array);
        }
    }

    public byte[] UnwrapKey(string algorithm, ReadOnlyMemory<byte> encryptedKey, CancellationToken cancellationToken = default) =>
        throw new NotSupportedException("Key Vault is called asynchronously only.");

    // Wrapping takes the public key alone; the keyset command does it offline.
    public byte[] WrapKey(string algorithm, ReadOnlyMemory<byte> key, CancellationToken cancellationToken = default) =>
        throw new NotSupportedException("Wrap with the public key.");

    public Task<byte[]> WrapKeyAsync(string algorithm, ReadOnlyMemory<byte> key, CancellationToken cancellationToken = default) =>
        throw new NotSupportedException("Wrap with the public key.");

    private static byte[] Body(string algorithm, ReadOnlySpan<byte> encryptedKey)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("alg", algorithm);
            json.WriteString("value", Base64Url.EncodeToString(encryptedKey));
            json.WriteEndObject();
        }
        return buffer.ToArray();
    }

    private byte[] ReadAnswer(ReadOnlySpan<byte> answer)
    {
        var reader = new Utf8JsonReader(answer);
        byte[]? key = null;
        var isOurs = false;
        try
        {
            reader.Read();
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var (isKeyId, isValue) = (reader.ValueTextEquals("kid"), reader.ValueTextEquals("value"));
                reader.Read();
                if (isKeyId && reader.TokenType == JsonTokenType.String)
                    isOurs = string.Equals(reader.GetString(), KeyId, StringComparison.OrdinalIgnoreCase);
                else if (isValue && reader.TokenType == JsonTokenType.String && !reader.ValueIsEscaped)
                    key = Decode(reader.ValueSpan);
                else
                    reader.Skip();
            }
        }
        catch (JsonException)
        {
            // Falls through to the refusal: what stands there is nobody's to quote.
            isOurs = false;
        }
        if (isOurs && key is not null)
            return key;

        CryptographicOperations.ZeroMemory(key);
        throw new KeySourceException("Key Vault's answer is not one to an unwrapkey call with this key; is Keys:KeyVault:VaultUri "
            + "a vault's address?");
    }

    private static byte[]? Decode(ReadOnlySpan<byte> base64Url)
    {
        var bytes = GC.AllocateArray<byte>(Base64Url.GetMaxDecodedLength(base64Url.Length), pinned: true);
        if (Base64Url.DecodeFromUtf8(base64Url, bytes, out _, out var written) == OperationStatus.Done && written == bytes.Length)
            return bytes;
        CryptographicOperations.ZeroMemory(bytes);
        return null;
    }
}
#endif
