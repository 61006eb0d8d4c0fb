using System.Net;
using System.Text.Json.Nodes;

namespace PiiMasking.MaskingService.Tests.People;

public sealed class DescribingItself(SharedPeopleSystem shared) : IClassFixture<SharedPeopleSystem>
{
    private readonly PeopleSystem system = shared.System;

    [Fact]
    public async Task The_description_has_every_route_of_people_and_none_of_the_app_port()
    {
        var document = await PeopleSystem.JsonAsync(await system.SendAsync(HttpMethod.Get, "/openapi/v1.json", token: null));

        Assert.Equal(
            [
                "/v1/audit", "/v1/duplicates", "/v1/erasures", "/v1/erasures/{erasureId}", "/v1/logins/search", "/v1/quarantine",
                "/v1/quarantine/replay", "/v1/quarantine/{messageId}/delete", "/v1/quarantine/{messageId}/payload", "/v1/reveal",
                "/v1/rotation",
            ],
            document["paths"]!.AsObject().Select(path => path.Key).Order(StringComparer.Ordinal));
        Assert.Equal("bearer", (string)document["components"]!["securitySchemes"]!["bearer"]!["scheme"]!);
        foreach (var operation in document["paths"]!.AsObject().SelectMany(path => path.Value!.AsObject()).Select(method => method.Value!))
        {
            Assert.NotNull(operation["summary"]);
            Assert.Subset(operation["responses"]!.AsObject().Select(response => response.Key).ToHashSet(), new HashSet<string> { "200", "401", "403", "429", "503" });
        }
    }

    [Fact]
    public async Task Values_in_the_clear_are_described_as_the_strings_that_they_are_on_the_wire()
    {
        var schemas = (await PeopleSystem.JsonAsync(await system.SendAsync(HttpMethod.Get, "/openapi/v1.json", token: null)))["components"]!["schemas"]!;

        Assert.Equal("string", (string?)schemas["Pii"]?["type"] ?? (string?)schemas["LookUpRequest"]!["properties"]!["value"]!["type"]);
    }

    [Fact]
    public async Task It_is_not_to_be_had_on_the_app_port()
    {
        using var response = await system.SendAsync(HttpMethod.Get, "/openapi/v1.json", token: null, client: system.Service.App);

        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
    }

    [Theory]
    [InlineData("GET", "/v1/nothing")]
    [InlineData("DELETE", "/v1/reveal")]
    [InlineData("POST", "/v1/quarantine/not-a-guid/payload")]
    public async Task What_is_not_there_is_a_problem_too(string method, string path)
    {
        using var response = await system.SendAsync(new HttpMethod(method), path, BearerToken.All);

        Assert.Equal("application/problem+json", response.Content.Headers.ContentType!.MediaType);
        Assert.NotNull(JsonNode.Parse(await response.Content.ReadAsStringAsync())!["title"]);
    }
}
