using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using PiiMasking.Testing;

namespace PiiMasking.MaskingService.Tests.People;

public sealed class Issuers(MigratedDatabases databases)
{
    [Fact]
    public async Task Tokens_of_the_configured_issuer_are_taken_and_no_others()
    {
        await using var issuer = await FakeIssuer.StartAsync();
        await using var database = await databases.CreateAsync();
        await using var service = await RunningService.StartReadyAsync(database, settings: Settings(issuer.Address));
        using var stranger = RSA.Create(2048);
        string Token(string? from = null, RSA? rsa = null, string algorithm = "RS256", byte[]? key = null) =>
            BearerToken.For("alice", "pii.audit", issuer: from ?? issuer.Address, algorithm: algorithm, rsa: key is null ? rsa ?? issuer.Key : null, key: key);

        await Eventually.EqualsAsync("answer to a good token", HttpStatusCode.OK, () => AskAsync(service, Token()));
        Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync(service, Token(rsa: stranger)));
        Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync(service, Token(from: "https://another.example")));
        Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync(service, Token(algorithm: "none")));
        // The public key is everybody's, so it must not pass as a shared secret.
        Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync(service, Token(algorithm: "HS256", key: issuer.Key.ExportSubjectPublicKeyInfo())));
        // Nor does a key for development count beside an issuer.
        Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync(service, BearerToken.For("alice", "pii.audit", issuer: issuer.Address)));
    }

    [Fact]
    public async Task While_the_issuer_is_away_the_answer_is_503_and_not_a_refusal()
    {
        await using var issuer = await FakeIssuer.StartAsync();
        issuer.IsUp = false;
        await using var database = await databases.CreateAsync();
        await using var service = await RunningService.StartReadyAsync(database, settings: Settings(issuer.Address));
        var token = BearerToken.For("alice", "pii.audit", issuer: issuer.Address, algorithm: "RS256", rsa: issuer.Key);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, await AskAsync(service, token));
        Assert.Equal(HttpStatusCode.Unauthorized, await AskAsync(service, token: null));
        issuer.IsUp = true;
        await Eventually.EqualsAsync("answer to a good token", HttpStatusCode.OK, () => AskAsync(service, token));
    }

    [Fact]
    public async Task Without_an_issuer_nobody_is_let_in_and_the_answer_says_what_to_set()
    {
        await using var database = await databases.CreateAsync();
        await using var service = await RunningService.StartReadyAsync(database, settings: Settings(null));

        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri("/v1/audit", UriKind.Relative));
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", BearerToken.All);
        using var answer = await service.People.SendAsync(request);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
        Assert.Contains("People:Authority", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("People:Authority", "http://login.example.com", "https")]
    [InlineData("People:Authority", "https://login.example.com", "not both")]
    [InlineData("People:SigningKeyFile", "/no/such/file", "/no/such/file")]
    [InlineData("People:Audience", "", "People:Audience")]
    public async Task Settings_that_cannot_work_are_named_at_the_start(string setting, string value, string named)
    {
        await using var database = await databases.CreateAsync();

        var failure = await Assert.ThrowsAnyAsync<Exception>(() => RunningService.StartAsync(database, settings: new() { [setting] = value }));

        Assert.Contains(named, failure.Message, StringComparison.Ordinal);
    }

    private static Dictionary<string, string?> Settings(string? issuer) => new() { ["People:SigningKeyFile"] = null, ["People:Authority"] = issuer };

    private static async Task<HttpStatusCode> AskAsync(RunningService service, string? token)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri("/v1/audit", UriKind.Relative));
        if (token is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using var response = await service.People.SendAsync(request);
        return response.StatusCode;
    }
}
