using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace PiiMasking.MaskingService.Tests.People;

/// <summary>Makes bearer tokens by hand, bad ones too.</summary>
internal static class BearerToken
{
    public const string Audience = "pii-masking";

    private static readonly byte[] Key = RandomNumberGenerator.GetBytes(32);

    /// <summary>File with the key that the service trusts.</summary>
    public static string KeyFile { get; } = WriteKey();

    /// <summary>Of somebody who may do everything.</summary>
    public static string All => As("alice");

    /// <summary>Of somebody else who may.</summary>
    public static string As(string subject) => For(subject, "pii.reveal pii.lookup pii.duplicates pii.quarantine pii.audit pii.erase pii.rotation");

    /// <param name="subject"><c>sub</c>; left out if null.</param>
    /// <param name="scope">Separated by spaces; as the claim <paramref name="scopeClaim"/>.</param>
    /// <param name="expiresIn">From now; left out if null.</param>
    public static string For(
        string? subject, string scope, string audience = Audience, string issuer = "local", TimeSpan? expiresIn = null, bool forever = false,
        string algorithm = "HS256", byte[]? key = null, string scopeClaim = "scope", RSA? rsa = null)
    {
        var now = TimeProvider.System.GetUtcNow();
        var claims = new Dictionary<string, object>
        {
            ["iss"] = issuer,
            ["aud"] = audience,
            [scopeClaim] = scope,
            ["azp"] = "tests",
            ["nbf"] = now.AddHours(-1).ToUnixTimeSeconds(),
        };
        if (!forever)
            claims["exp"] = now.Add(expiresIn ?? TimeSpan.FromHours(1)).ToUnixTimeSeconds();
        if (subject is not null)
            claims["sub"] = subject;
        var head = $"{Part(new Dictionary<string, object> { ["alg"] = algorithm, ["typ"] = "JWT" })}.{Part(claims)}";
        var signature = algorithm == "none" ? []
            : rsa is not null ? rsa.SignData(Encoding.ASCII.GetBytes(head), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            : HMACSHA256.HashData(key ?? Key, Encoding.ASCII.GetBytes(head));
        return $"{head}.{Base64Url.EncodeToString(signature)}";
    }

    private static string Part(Dictionary<string, object> members) => Base64Url.EncodeToString(JsonSerializer.SerializeToUtf8Bytes(members));

    private static string WriteKey()
    {
        var file = Path.Combine(Directory.CreateTempSubdirectory("pii-").FullName, "signing-key");
        File.WriteAllText(file, Convert.ToBase64String(Key));
        return file;
    }
}
