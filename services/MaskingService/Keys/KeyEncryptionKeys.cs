using System.Security.Cryptography;
using Azure;
using Azure.Core;
using Azure.Core.Cryptography;
using Azure.Core.Pipeline;
using Azure.Identity;
using Microsoft.Extensions.Options;
#if KEY_VAULT_SDK
using Azure.Security.KeyVault.Keys.Cryptography;
#endif

namespace PiiMasking.MaskingService.Keys;

/// <summary>Chooses the key-encryption key for a wrapped keyset, and has it open the content key.</summary>
internal sealed class KeyEncryptionKeys : IDisposable
{
    private const int VersionLength = 32;

    private readonly KeyVaultOptions? vault;
    private readonly LocalKek? local;
    private readonly KeyVaultKeys? vaultKeys;

    public KeyEncryptionKeys(IOptions<KeyOptions> options)
        : this(options.Value, options.Value.KeyVault is null ? null : new DefaultAzureCredential(), transport: null)
    {
    }

    /// <param name="credential">Identity for the vault; null where there is none.</param>
    /// <param name="transport">Carries the requests to the vault; null for the ordinary one.</param>
    public KeyEncryptionKeys(KeyOptions options, TokenCredential? credential, HttpPipelineTransport? transport)
    {
        vault = options.KeyVault;
        if (vault is not null)
            vaultKeys = new KeyVaultKeys(vault, credential!, transport);
        else if (options.LocalKekFile is { } file)
            local = LocalKek.FromPemFile(file);
    }

    /// <summary>A key-encryption key that is named on the command line.</summary>
    /// <exception cref="KeySourceException">None is named, or not as it should be.</exception>
    public static KeyEncryptionKeys From(string? vault, string? keyName, string? localFile)
    {
        if (localFile is not null && !File.Exists(localFile))
            throw new KeySourceException($"There is no file {localFile}.");

        var options = new KeyOptions
        {
            RequireKek = true,
            KeyVault = vault is null && keyName is null ? null : new KeyVaultOptions
            {
                VaultUri = Uri.TryCreate(vault, UriKind.Absolute, out var address) ? address : null,
                KeyName = keyName ?? "",
            },
            LocalKekFile = localFile,
        };
        var faults = new KeyOptionsValidator().Validate(null, options);
        return faults.Succeeded
            ? new KeyEncryptionKeys(Options.Create(options))
            : throw new KeySourceException("Name the key that opens the keyset: --vault https://contoso.vault.azure.net --key-name "
                + "NAME, or --kek FILE.");
    }

    /// <summary>Opens a JWE.</summary>
    /// <returns>Its content; the caller disposes it.</returns>
    /// <exception cref="KeySourceException">No key is configured, the JWE names another one, or it does not open.</exception>
    public async Task<SecretBuffer> OpenAsync(Jwe jwe, CancellationToken stopping)
    {
        var contentKey = await UnwrapAsync(jwe, stopping);
        try
        {
            return jwe.Open(contentKey);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(contentKey);
        }
    }

    /// <summary>Has the content key of a JWE opened.</summary>
    /// <returns>The content key, in memory that the caller wipes.</returns>
    /// <exception cref="KeySourceException">No key is configured, the JWE names another one, or the vault does not open it.</exception>
    public async Task<byte[]> UnwrapAsync(Jwe jwe, CancellationToken stopping)
    {
        var key = Find(jwe.KeyId);
        try
        {
            return await key.UnwrapKeyAsync(Jwe.KeyWrapAlgorithm, jwe.EncryptedKey, stopping);
        }
        catch (CryptographicException)
        {
            throw new KeySourceException(Jwe.DoesNotOpen);
        }
        catch (RequestFailedException e)
        {
            // Not the exception's own message: it quotes the vault's answer.
            throw new KeySourceException(Explain(e));
        }
        catch (AuthenticationFailedException)
        {
            throw new KeySourceException(
                "There is no Azure identity to call Key Vault with. Give the workload a managed identity or workload identity, or "
                    + "set AZURE_TENANT_ID, AZURE_CLIENT_ID and a credential.");
        }
        catch (Exception e) when (e is AggregateException or OperationCanceledException && !stopping.IsCancellationRequested)
        {
            throw new KeySourceException($"Key Vault did not answer at {vault?.VaultUri}; check the network to it.");
        }
    }

    public void Dispose() => local?.Dispose();

    /// <summary>
    /// The kid comes from stored data, and must never choose where a bearer token is sent: only the configured vault, the configured
    /// key and a version are let through.
    /// </summary>
    private IKeyEncryptionKey Find(string keyId)
    {
        if (local is not null)
            return local;
        if (vault is null || vaultKeys is null)
        {
            throw new KeySourceException(
                "The keyset is wrapped, and no key is configured that opens it; set Keys:KeyVault:VaultUri and Keys:KeyVault:KeyName.");
        }

        var prefix = $"https://{vault.VaultUri!.IdnHost}/keys/{vault.KeyName}/";
        var isPinned = keyId.StartsWith(prefix, StringComparison.OrdinalIgnoreCase)
            && keyId.Length == prefix.Length + VersionLength
            && keyId.Skip(prefix.Length).All(char.IsAsciiHexDigit);
        return isPinned
            ? vaultKeys.Get(new Uri(keyId))
            : throw new KeySourceException(
                $"The keyset is wrapped for another key than a version of {prefix}. Wrap it for that key with 'keyset wrap', or "
                    + "correct Keys:KeyVault.");
    }

    private string Explain(RequestFailedException failure) => failure.Status switch
    {
        400 => Jwe.DoesNotOpen,
        401 or 403 => $"Key Vault refuses this identity (HTTP {failure.Status}); give it keys/unwrapKey on key {vault?.KeyName}, "
            + "as the role Key Vault Crypto Service Encryption User does.",
        404 => $"Key Vault has no such version of key {vault?.KeyName}, or it is disabled; restore it, or wrap the keyset for a "
            + "version that is there.",
        429 => "Key Vault is being called too often and answers HTTP 429; it is tried again later.",
        0 => $"Key Vault cannot be reached at {vault?.VaultUri}; check the address and the network to it.",
        _ => $"Key Vault answers HTTP {failure.Status}; it is tried again later.",
    };
}

#if KEY_VAULT_SDK
/// <summary>Keys of a vault, by Azure's own client.</summary>
internal sealed class KeyVaultKeys(KeyVaultOptions vault, TokenCredential credential, HttpPipelineTransport? transport)
{
    public IKeyEncryptionKey Get(Uri keyId)
    {
        var options = new CryptographyClientOptions { Retry = { NetworkTimeout = vault.Timeout, MaxRetries = 2 } };
        if (transport is not null)
            options.Transport = transport;
        return new CryptographyClient(keyId, credential, options);
    }
}
#endif
