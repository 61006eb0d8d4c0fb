using System.Security.Cryptography;
using System.Text;
using Azure.Core;
using Azure.Identity;
using Microsoft.AspNetCore.Http;
using PiiMasking.MaskingService.Keys;
using PiiMasking.Testing;
using PiiMasking.Tink;

namespace PiiMasking.MaskingService.Tests.Keys;

public sealed class OpeningWrappedKeysets : IAsyncLifetime
{
    private FakeVault vault = null!;

    public static TheoryData<string> VectorNames => [.. JweVectors.Tests.Select(test => test.Text("name"))];

    public async ValueTask InitializeAsync() => vault = await FakeVault.StartAsync();

    public ValueTask DisposeAsync() => vault.DisposeAsync();

    [Theory]
    [MemberData(nameof(VectorNames))]
    public async Task Every_vector_opens_or_is_refused_as_it_should(string name)
    {
        var test = JweVectors.Test(name);
        using var keks = Keks(test.Text("keyName"));

        var opened = await OpenAsync(keks, test.Text("jwe"));

        if (test.Text("result") == "valid")
        {
            Assert.Equal(test.Text("plaintext"), opened.Text);
            Assert.Single(vault.Calls);
        }
        else
        {
            // The newline at the end is cut off by whoever reads the secret, not here.
            Assert.Null(opened.Text);
            Assert.InRange(opened.Refusal!.Message.Length, 20, 250);
            Assert.All(vault.Calls, call => Assert.StartsWith("example-vault.vault.azure.net/keys/masking-kek/", call, StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task A_bearer_token_is_sent_to_the_configured_key_only()
    {
        foreach (var test in JweVectors.Tests.Where(test => test.Text("name").StartsWith("kid-", StringComparison.Ordinal) && test.Text("name") != "kid-swapped"))
        {
            using var keks = Keks("masking-kek");
            Assert.NotNull((await OpenAsync(keks, test.Text("jwe"))).Refusal);
        }

        using var otherKey = Keks("another-key");
        Assert.Contains("another key", (await OpenAsync(otherKey, ValidJwe)).Refusal!.Message, StringComparison.Ordinal);
        Assert.Empty(vault.Calls);
    }

    [Fact]
    public async Task Everything_after_the_header_fails_with_the_same_words()
    {
        string[] names = ["tag-altered", "tag-short", "tag-empty", "ciphertext-altered", "iv-altered", "iv-short", "encrypted-key-altered",
            "encrypted-key-short", "encrypted-key-empty", "enc-cek-16", "other-kek", "alg-mgf1-sha1", "alg-rsa-oaep-label-mismatch", "kid-swapped"];
        using var keks = Keks("masking-kek");
        foreach (var name in names)
            Assert.Equal(Jwe.DoesNotOpen, (await OpenAsync(keks, JweVectors.Test(name).Text("jwe"))).Refusal!.Message);
    }

    [Fact]
    public async Task A_throttled_call_is_made_again_when_the_vault_says()
    {
        var throttled = 0;
        vault.Instead = context =>
        {
            throttled++;
            vault.Instead = null;
            context.Response.StatusCode = 429;
            context.Response.Headers.RetryAfter = "1";
            return Task.CompletedTask;
        };
        using var keks = Keks("masking-kek");
        var start = TimeProvider.System.GetTimestamp();

        Assert.NotNull((await OpenAsync(keks, ValidJwe)).Text);

        Assert.Equal(1, throttled);
        Assert.True(TimeProvider.System.GetElapsedTime(start) >= TimeSpan.FromSeconds(0.95));
        Assert.Equal(2, vault.Calls.Count);
    }

    [Theory]
    [InlineData(401, "refuses this identity")]
    [InlineData(403, "refuses this identity")]
    [InlineData(404, "no such version")]
    [InlineData(400, "does not open")]
    public async Task A_refusal_of_the_vault_is_explained_without_its_answer(int status, string reason)
    {
        vault.Instead = context =>
        {
            context.Response.StatusCode = status;
            return context.Response.WriteAsJsonAsync(new { error = new { code = "Forbidden", message = "SECRET-DETAIL of the vault" } });
        };
        using var keks = Keks("masking-kek");

        var refusal = (await OpenAsync(keks, ValidJwe)).Refusal!;

        Assert.Contains(reason, refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("SECRET-DETAIL", refusal.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"kid":"https://example-vault.vault.azure.net/keys/masking-kek/00000000000000000000000000000000","value":"AAAA"}""")]
    [InlineData("""{"value":"IXen4ap2I8E-oRJo8PfQn7gf-qQ3QWL5vOYy38EiepM"}""")]
    [InlineData("""{"kid":"https://example-vault.vault.azure.net/keys/masking-kek/0698c2156c1a4e1da5b6bab6f6422fd6"}""")]
    [InlineData("""{"kid":"https://example-vault.vault.azure.net/keys/masking-kek/0698c2156c1a4e1da5b6bab6f6422fd6","value":"IXen4ap2 I8E="}""")]
    [InlineData("<html>a captive portal</html>")]
    [InlineData("[]")]
    [InlineData("")]
    public async Task An_answer_that_is_not_the_vaults_is_refused(string answer)
    {
        vault.Instead = context => context.Response.WriteAsync(answer);
        using var keks = Keks("masking-kek");

        Assert.Contains("Key Vault's answer", (await OpenAsync(keks, ValidJwe)).Refusal!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_answer_for_another_version_is_refused()
    {
        var answer = JweVectors.Test("valid-2048").GetProperty("unwrapResponse").GetRawText()
            .Replace("0698c2156c1a4e1da5b6bab6f6422fd6", "ffffffffffffffffffffffffffffffff", StringComparison.Ordinal);
        vault.Instead = context => context.Response.WriteAsync(answer);
        using var keks = Keks("masking-kek");

        Assert.NotNull((await OpenAsync(keks, ValidJwe)).Refusal);
    }

    [Fact]
    public async Task A_slow_vault_is_given_up_on()
    {
        vault.Instead = context => Task.Delay(Timeout.Infinite, context.RequestAborted);
        // Long enough for the call to reach the vault on a busy machine.
        using var keks = Keks("masking-kek", TimeSpan.FromSeconds(3));

        Assert.Contains("did not answer", (await OpenAsync(keks, ValidJwe)).Refusal!.Message, StringComparison.Ordinal);
        Assert.Equal(3, vault.Calls.Count);
    }

    [Fact]
    public async Task Stopping_ends_the_wait_for_a_slow_vault()
    {
        using var stopping = new CancellationTokenSource();
        vault.Instead = async context =>
        {
            await stopping.CancelAsync();
            await Task.Delay(Timeout.Infinite, context.RequestAborted);
        };
        using var keks = Keks("masking-kek");

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => keks.UnwrapAsync(Jwe.Parse(Encoding.ASCII.GetBytes(ValidJwe)), stopping.Token));
    }

    [Fact]
    public async Task Without_an_identity_the_refusal_says_how_to_get_one()
    {
        using var keks = new KeyEncryptionKeys(Options("masking-kek"), new NoCredential(), vault.Transport);

        Assert.Contains("no Azure identity", (await OpenAsync(keks, ValidJwe)).Refusal!.Message, StringComparison.Ordinal);
        Assert.Empty(vault.Calls);
    }

    [Fact]
    public void Any_text_is_a_jwe_or_refused_as_one()
    {
        var valid = Encoding.ASCII.GetBytes(ValidJwe);
        var random = new Random(5297);
        for (var i = 0; i < 5000; i++)
        {
            var text = valid.ToArray();
            for (var change = random.Next(1, 4); change > 0; change--)
                text[random.Next(text.Length)] = (byte)random.Next(256);
            var refusal = Record.Exception(() => Jwe.Parse(text));
            Assert.True(refusal is null or KeySourceException, refusal?.ToString());
        }
    }

    [Fact]
    public async Task Without_a_configured_key_a_wrapped_keyset_is_refused()
    {
        using var keks = new KeyEncryptionKeys(new KeyOptions(), credential: null, transport: null);

        Assert.Contains("Keys:KeyVault", (await OpenAsync(keks, ValidJwe)).Refusal!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_local_key_opens_what_was_wrapped_with_its_public_half()
    {
        using var scratch = new ScratchFolder();
        using var key = RSA.Create(2048);
        var file = Path.Combine(scratch.Path, "kek.pem");
        await File.WriteAllTextAsync(file, key.ExportPkcs8PrivateKeyPem());
        using var publicKey = RSA.Create(key.ExportParameters(includePrivateParameters: false));
        using var keyset = Keyset.Generate(KeyKind.DeterministicAead);
        using var keks = new KeyEncryptionKeys(new KeyOptions { LocalKekFile = file }, credential: null, transport: null);

        var jwe = Jwe.Wrap(keyset.ToJson(), publicKey, "local");

        Assert.Equal(Encoding.UTF8.GetString(keyset.ToJson()), (await OpenAsync(keks, jwe)).Text);
        Assert.Equal(Jwe.DoesNotOpen, (await OpenAsync(keks, ValidJwe)).Refusal!.Message);
        Assert.NotEqual(jwe, Jwe.Wrap(keyset.ToJson(), publicKey, "local"));
    }

    private static string ValidJwe => JweVectors.Test("valid-2048").Text("jwe");

    private static async Task<(string? Text, KeySourceException? Refusal)> OpenAsync(KeyEncryptionKeys keks, string text)
    {
        try
        {
            var jwe = Jwe.Parse(Encoding.UTF8.GetBytes(text));
            using var content = await keks.OpenAsync(jwe, TestContext.Current.CancellationToken);
            return (Encoding.UTF8.GetString(content.Span), null);
        }
        catch (KeySourceException e)
        {
            return (null, e);
        }
    }

    private static KeyOptions Options(string keyName, TimeSpan? timeout = null) => new()
    {
        KeyVault = new KeyVaultOptions
        {
            VaultUri = new Uri("https://example-vault.vault.azure.net"),
            KeyName = keyName,
            Timeout = timeout ?? TimeSpan.FromSeconds(10),
        },
    };

    private KeyEncryptionKeys Keks(string keyName, TimeSpan? timeout = null) => new(Options(keyName, timeout), vault.Credential, vault.Transport);

    private sealed class NoCredential : TokenCredential
    {
        public override AccessToken GetToken(TokenRequestContext requestContext, CancellationToken cancellationToken) =>
            throw new CredentialUnavailableException("SECRET-DETAIL of the identity");

        public override ValueTask<AccessToken> GetTokenAsync(TokenRequestContext requestContext, CancellationToken cancellationToken) =>
            throw new CredentialUnavailableException("SECRET-DETAIL of the identity");
    }
}
