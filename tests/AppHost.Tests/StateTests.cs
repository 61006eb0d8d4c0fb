using System.Runtime.Versioning;
using System.Text.Json;
using PiiMasking.Backing;
using PiiMasking.Testing;
using PiiMasking.Tink;

namespace PiiMasking.AppHost.Tests;

public sealed class StateTests : IDisposable
{
    private readonly ScratchFolder scratch = new();

    public void Dispose() => scratch.Dispose();

    [Fact]
    public void A_second_AppHost_takes_a_state_of_its_own_and_says_so()
    {
        var said = new List<string>();
        using var first = State.Take(scratch["local"], said.Add);
        Assert.Empty(said);

        using var second = State.Take(scratch["local"], said.Add);

        Assert.Equal(Path.Combine(scratch["local"], "2"), second.Folder);
        Assert.Contains(second.Folder, Assert.Single(said), StringComparison.Ordinal);
    }

    [Fact]
    public void What_another_AppHost_works_with_is_not_reset()
    {
        using var first = State.TakeFirst(scratch["local"]);

        var error = Assert.Throws<BackingException>(() => State.TakeFirst(scratch["local"]));

        Assert.Contains("stop it first", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    [SupportedOSPlatform("linux")]
    public async Task Secrets_are_made_once_readable_for_their_owner_only_and_kept()
    {
        using var state = State.TakeFirst(scratch["local"]);

        var first = await Secrets.EnsureAsync(state, default);
        await first.PointToQueueAsync(new Uri("http://127.0.0.1:4000"), default);
        var second = await Secrets.EnsureAsync(state, default);

        Assert.Equal(first[Secrets.MaskingKeyset], second[Secrets.MaskingKeyset]);
        Assert.Equal(first.ServicePassword, second.ServicePassword);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(state.Secrets));
    }

    [Fact]
    public async Task All_secrets_are_strings_and_the_keysets_are_keysets()
    {
        using var state = State.TakeFirst(scratch["local"]);
        await Secrets.EnsureAsync(state, default);

        using var json = JsonDocument.Parse(await File.ReadAllBytesAsync(state.Secrets));

        Assert.All(json.RootElement.EnumerateObject(), secret => Assert.Equal(JsonValueKind.String, secret.Value.ValueKind));
        using var masking = Keyset.Parse(System.Text.Encoding.UTF8.GetBytes(json.RootElement.GetProperty("masking-keyset").GetString()!));
        using var quarantine = Keyset.Parse(System.Text.Encoding.UTF8.GetBytes(json.RootElement.GetProperty("quarantine-keyset").GetString()!));
        Assert.Equal((KeyKind.DeterministicAead, KeyKind.Aead), (masking.Kind, quarantine.Kind));
    }

    [Fact]
    [SupportedOSPlatform("linux")]
    public async Task Secrets_of_an_earlier_version_are_kept_and_completed_and_the_key_of_people_is_made_once()
    {
        using var state = State.TakeFirst(scratch["local"]);
        var complete = await Secrets.EnsureAsync(state, default);
        var json = System.Text.Json.Nodes.JsonNode.Parse(await File.ReadAllTextAsync(state.Secrets))!.AsObject();
        json.Remove("integrity-keyset");
        json.Remove(Secrets.PeoplePasswordName);
        await File.WriteAllTextAsync(state.Secrets, json.ToJsonString());

        var upgraded = await Secrets.EnsureAsync(state, default);
        var again = await Secrets.EnsureAsync(state, default);
        await PeopleAccess.EnsureAsync(state, default);
        var key = await File.ReadAllTextAsync(state.PeopleKey);
        await PeopleAccess.EnsureAsync(state, default);

        Assert.Equal(complete[Secrets.MaskingKeyset], upgraded[Secrets.MaskingKeyset]);
        Assert.Equal(upgraded["integrity-keyset"], again["integrity-keyset"]);
        Assert.Equal(upgraded.PeoplePassword, again.PeoplePassword);
        Assert.Equal(key, await File.ReadAllTextAsync(state.PeopleKey));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(state.PeopleKey));
    }

    [Theory]
    [InlineData("{}", "masking-keyset")]
    [InlineData("""{"masking-keyset": {"primaryKeyId": 1}}""", "masking-keyset")]
    [InlineData("[]", "JSON object")]
    [InlineData("{\n\"masking-keyset\": \"canary", "line 2")]
    public async Task A_damaged_secrets_file_is_named_with_the_remedy_and_without_its_content(string content, string named)
    {
        using var state = State.TakeFirst(scratch["local"]);
        await File.WriteAllTextAsync(state.Secrets, content);

        var error = await Assert.ThrowsAsync<BackingException>(() => Secrets.EnsureAsync(state, default));

        Assert.Contains(state.Secrets, error.Message, StringComparison.Ordinal);
        Assert.Contains(named, error.Message, StringComparison.Ordinal);
        Assert.Contains("--reset", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("canary", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Keysets_are_not_made_anew_for_data_that_has_tokens()
    {
        using var state = State.TakeFirst(scratch["local"]);
        Directory.CreateDirectory(state.Postgres);

        var error = await Assert.ThrowsAsync<BackingException>(() => Secrets.EnsureAsync(state, default));

        Assert.Contains("do not open", error.Message, StringComparison.Ordinal);
        state.Reset();
        Assert.NotNull(await Secrets.EnsureAsync(state, default));
    }

    [Fact]
    public void Only_the_logs_of_the_last_runs_are_kept()
    {
        using var state = State.TakeFirst(scratch["local"]);
        for (var run = 0; run < 15; run++)
            Directory.CreateDirectory(Path.Combine(scratch["local"], "logs", $"2020010{run / 10}-00000{run % 10}-000"));

        state.OpenLogs();

        Assert.Equal(10, Directory.GetDirectories(Path.Combine(scratch["local"], "logs")).Length);
        Assert.True(Directory.Exists(state.Logs));
    }
}
