using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using PiiMasking.Backing;

namespace PiiMasking.AppHost;

/// <summary>What lets a developer in by the people port: a key that signs bearer tokens, made once, and a token that may do
/// everything.</summary>
internal sealed class PeopleAccess
{
    public const string Audience = "pii-masking";

    /// <summary>How long a token is good.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromHours(12);

    private const int KeyBytes = 32;
    private const string Issuer = "local";
    private const string Subject = "local-developer";
    private const string Scopes = "pii.reveal pii.lookup pii.duplicates pii.quarantine pii.audit pii.erase pii.rotation";

    private readonly byte[] key;

    private PeopleAccess(string keyFile, byte[] key)
    {
        KeyFile = keyFile;
        this.key = key;
    }

    /// <summary>The file with the key, which the service reads.</summary>
    public string KeyFile { get; }

    /// <summary>Reads the key, or makes it.</summary>
    /// <exception cref="BackingException">The file holds no key.</exception>
    public static async Task<PeopleAccess> EnsureAsync(State state, CancellationToken stopping)
    {
        var file = state.PeopleKey;
        if (!File.Exists(file))
            await PrivateFiles.WriteAsync(file, Convert.ToBase64String(RandomNumberGenerator.GetBytes(KeyBytes)) + "\n", stopping);
        var key = new byte[KeyBytes];
        return Convert.TryFromBase64String((await File.ReadAllTextAsync(file, stopping)).Trim(), key, out var length) && length == KeyBytes
            ? new PeopleAccess(file, key)
            : throw new BackingException($"{file} does not hold {KeyBytes} bytes as base64: remove it, and the next start makes another.");
    }

    /// <summary>A JWT (HS256) that may do everything.</summary>
    public string NewToken(TimeProvider time)
    {
        var now = time.GetUtcNow();
        var head = Part(new { alg = "HS256", typ = "JWT" }) + "." + Part(new
        {
            iss = Issuer,
            aud = Audience,
            sub = Subject,
            azp = "local-apphost",
            scope = Scopes,
            iat = now.ToUnixTimeSeconds(),
            exp = (now + Lifetime).ToUnixTimeSeconds(),
        });
        return $"{head}.{Base64Url.EncodeToString(HMACSHA256.HashData(key, Encoding.ASCII.GetBytes(head)))}";
    }

    private static string Part(object claims) => Base64Url.EncodeToString(JsonSerializer.SerializeToUtf8Bytes(claims));
}
