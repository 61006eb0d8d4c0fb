using System.ComponentModel.DataAnnotations;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Options;

namespace PiiMasking.MaskingService.Keys;

/// <summary>Where the keysets are and what opens them. Bound from "Keys".</summary>
internal sealed class KeyOptions
{
    public const string Section = "Keys";

    /// <summary>Name of the Dapr secret store component.</summary>
    [Required]
    public string SecretStore { get; init; } = "secrets";

    /// <summary>The secret with the masking keyset (AES256_SIV).</summary>
    public SecretOptions Masking { get; init; } = new() { Secret = "masking-keyset" };

    /// <summary>The secret with the quarantine keyset (AES256_GCM).</summary>
    public SecretOptions Quarantine { get; init; } = new() { Secret = "quarantine-keyset" };

    /// <summary>The secret with the integrity keyset (HMAC). Without it people cannot be served; logins are stored all the same.</summary>
    public SecretOptions Integrity { get; init; } = new() { Secret = "integrity-keyset" };

    /// <summary>Refuses a keyset in the clear: production keysets come wrapped as JWE.</summary>
    public bool RequireKek { get; init; }

    /// <summary>How often the secrets are read again.</summary>
    /// <value>Five minutes by default.</value>
    [Range(typeof(TimeSpan), "00:00:01", "1.00:00:00")]
    public TimeSpan ReloadEvery { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>The key in Azure Key Vault that opens wrapped keysets, if there is one.</summary>
    public KeyVaultOptions? KeyVault { get; init; }

    /// <summary>For development: a PEM file with the RSA private key that opens wrapped keysets, in place of Key Vault.</summary>
    public string? LocalKekFile { get; init; }
}

/// <summary>A secret, and the member of it that holds the keyset.</summary>
internal sealed class SecretOptions
{
    /// <summary>Name of the secret in the store.</summary>
    public string Secret { get; init; } = "";

    /// <summary>Name of the member; stores with one value a secret name it like the secret, which is the default.</summary>
    public string? Member { get; init; }

    /// <summary>The member to read.</summary>
    public string MemberName => Member is { Length: > 0 } member ? member : Secret;
}

/// <summary>A key in Azure Key Vault. Only its versions may open keysets, whatever a stored keyset says.</summary>
internal sealed class KeyVaultOptions
{
    /// <summary>Address of the vault, such as <c>https://contoso.vault.azure.net</c>.</summary>
    public Uri? VaultUri { get; init; }

    /// <summary>Name of the key, without version.</summary>
    public string KeyName { get; init; } = "";

    /// <summary>How long one call to the vault may take; two more are made before the reading of the keyset fails.</summary>
    /// <value>Ten seconds by default.</value>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(10);
}

/// <summary>The rules that attributes on one property cannot say.</summary>
internal sealed partial class KeyOptionsValidator : IValidateOptions<KeyOptions>
{
    public ValidateOptionsResult Validate(string? name, KeyOptions options)
    {
        var failures = new List<string>();
        if (options.Masking.Secret.Length == 0)
            failures.Add("Keys:Masking:Secret must name a secret.");
        if (options.Quarantine.Secret.Length == 0)
            failures.Add("Keys:Quarantine:Secret must name a secret.");
        if (options.Integrity.Secret.Length == 0)
            failures.Add("Keys:Integrity:Secret must name a secret.");
        if (options is { KeyVault: not null, LocalKekFile: not null })
            failures.Add("Set either Keys:KeyVault or Keys:LocalKekFile, not both.");
        if (options is { RequireKek: true, KeyVault: null, LocalKekFile: null })
            failures.Add("Keys:RequireKek needs a key that opens the keysets: set Keys:KeyVault:VaultUri and Keys:KeyVault:KeyName.");
        if (options.LocalKekFile is { } file && !File.Exists(file))
            failures.Add("Keys:LocalKekFile names no file that can be read.");
        if (options.KeyVault is { } vault)
        {
            if (vault.VaultUri is not { IsAbsoluteUri: true, Scheme: "https", IsDefaultPort: true } address
                || address is not { UserInfo: "", PathAndQuery: "/", Fragment: "" })
            {
                failures.Add("Keys:KeyVault:VaultUri must be an address like https://contoso.vault.azure.net, without port, path "
                    + "or query.");
            }
            if (vault.Timeout <= TimeSpan.Zero || vault.Timeout > TimeSpan.FromMinutes(1))
                failures.Add("Keys:KeyVault:Timeout must be more than nothing and one minute at most.");
            if (!KeyNamePattern().IsMatch(vault.KeyName))
                failures.Add("Keys:KeyVault:KeyName must be the key's name: 1 to 127 letters, digits and hyphens.");
        }
        return failures.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(failures);
    }

    [GeneratedRegex(@"\A[0-9a-zA-Z-]{1,127}\z")]
    private static partial Regex KeyNamePattern();
}
