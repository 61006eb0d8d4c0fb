using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using PiiMasking.Contracts;
using PiiMasking.MaskingService.Tests.People;
using PiiMasking.MaskingService.Tests.Rotation;
using PiiMasking.Testing;
using PiiMasking.Tink;
using static PiiMasking.MaskingService.Tests.RunningService;

namespace PiiMasking.MaskingService.Tests.Erasure;

public sealed class ErasingDuringARotation(MigratedDatabases databases)
{
    [Fact]
    public async Task What_writers_and_the_copy_have_put_into_the_shadow_goes_too_and_others_stay_in_both()
    {
        await using var store = await StoreWithKeysetsAsync();
        using var before = Keyset.Parse(Encoding.UTF8.GetBytes(store.Secrets["masking-keyset"]));
        using var both = before.WithNewKey(makePrimary: false);
        store.Secrets["masking-keyset"] = Encoding.UTF8.GetString(both.ToJson());
        await using var database = await databases.CreateAsync();
        await using var service = await StartReadyAsync(database, store);
        await Eventually.HoldsAsync("people are served", () => service.Logs.Lines.Any(line => line.EventId == 1501));
        var now = TimeProvider.System.GetUtcNow();
        var early = Of("someone", now);
        await service.StoreAsync(early, Of("other", now));

        // As far as a rotation gets with its first step, and one chunk of the copy.
        await database.ExecuteAsync(
            $"""
            CREATE TABLE shadow_of_all PARTITION OF user_logins_shadow DEFAULT;
            UPDATE key_generation SET next_key_id = {both.Keys[^1].Id};
            INSERT INTO user_logins_shadow SELECT * FROM user_logins;
            """);
        await service.StoreAsync(Of("someone", now), Of("other", now));
        Assert.Equal((4, 4), await RowsAsync(database, "true"));

        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri("/v1/erasures", UriKind.Relative))
        {
            Headers = { Authorization = new("Bearer", BearerToken.For("dpo", "pii.erase")) },
            Content = new StringContent("""{"user_id": "someone", "reason": "r"}""", Encoding.UTF8, "application/json"),
        };
        using var response = await service.People.SendAsync(request);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal((0, 0), await RowsAsync(database, "user_id = 'someone'"));
        Assert.Equal((2, 2), await RowsAsync(database, "user_id = 'other'"));
        Assert.Equal([LoginOutcome.Erased, LoginOutcome.Stored], await service.StoreAsync(early, Of("someone", now.AddHours(0.5))));
        Assert.Equal((1, 1), await RowsAsync(database, "user_id = 'someone'"));
    }

    [Fact]
    public async Task Who_is_erased_while_a_rotation_runs_is_gone_before_and_after_the_swap_and_everybody_else_is_there()
    {
        await using var system = await RotatingSystem.StartAsync(databases);
        var messages = system.Truth.Make(new Random(11), 3_000);
        await system.StoreAsync(messages);
        await Eventually.HoldsAsync("people are served", () => system.Service.Logs.Lines.Any(line => line.EventId == 1501));
        var reader = await system.HoldSnapshotAsync();   // the swap waits for it
        var to = system.Rotate();
        await system.HoldsAsync("a rotation runs", "SELECT EXISTS (SELECT FROM rotations WHERE ended_at IS NULL)");

        var gone = await EraseAsync(system, messages, "user-1");
        await system.PhaseAsync("settling");
        gone = [.. gone, .. await EraseAsync(system, messages, "user-2")];
        await reader.DisposeAsync();
        gone = [.. gone, .. await EraseAsync(system, messages, "user-3")];
        await system.DoneAsync(to);

        Assert.Single(await system.Truth.CheckAsync(system.Database, "user_logins"));
        Assert.Equal(system.Truth.Stored, await system.Database.ScalarAsync<long>("SELECT count(*) FROM user_logins"));
        Assert.All(await system.Service.StoreAsync(gone), outcome => Assert.Equal(LoginOutcome.Erased, outcome));
        Assert.Equal(0, (await RowsAsync(system.Database, "user_id IN ('user-1', 'user-2', 'user-3')")).Table);
    }

    private static async Task<LoginMessage[]> EraseAsync(RotatingSystem system, LoginMessage[] messages, string userId)
    {
        var own = messages.Where(message => message.Login!.UserId == userId).ToArray();
        Assert.NotEmpty(own);
        system.Truth.AreGoing(own);
        var receipt = JsonNode.Parse(await system.PostAsync("/v1/erasures", $$"""{"user_id": "{{userId}}", "reason": "r"}"""))!;
        Assert.Equal((own.Length, true), ((int)receipt["logins"]!, receipt["completedAt"] is not null));
        system.Truth.AreGone(own);
        return own;
    }

    private static LoginMessage Of(string userId, DateTimeOffset sentAt) => Message(Login(userId: userId), sentAt: sentAt);

    private static async Task<(long Table, long Shadow)> RowsAsync(TestDatabase database, string where) => (
        await database.ScalarAsync<long>($"SELECT count(*) FROM user_logins WHERE {where}"),
        await database.ScalarAsync<long>($"SELECT count(*) FROM user_logins_shadow WHERE {where}"));
}
