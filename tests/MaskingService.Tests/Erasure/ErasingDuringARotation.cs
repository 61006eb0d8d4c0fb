using System.Net;
using System.Text;
using PiiMasking.Contracts;
using PiiMasking.MaskingService.Tests.People;
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

    private static LoginMessage Of(string userId, DateTimeOffset sentAt) => Message(Login(userId: userId), sentAt: sentAt);

    private static async Task<(long Table, long Shadow)> RowsAsync(TestDatabase database, string where) => (
        await database.ScalarAsync<long>($"SELECT count(*) FROM user_logins WHERE {where}"),
        await database.ScalarAsync<long>($"SELECT count(*) FROM user_logins_shadow WHERE {where}"));
}
