using PiiMasking.Contracts;
using PiiMasking.Testing;
using static PiiMasking.MaskingService.Tests.RunningService;

namespace PiiMasking.MaskingService.Tests.Logins;

/// <summary>Batches that are large enough to be copied, and everything that is in the way of a copy.</summary>
public sealed class StoringMany(MigratedDatabases databases)
{
    private const int Many = 300;

    [Fact]
    public async Task Each_of_many_is_stored_with_its_own_values()
    {
        await using var database = await databases.CreateAsync();
        await using var service = await StartReadyAsync(database);
        var messages = Enumerable.Range(0, Many)
            .Select(i => Message(Login(userId: $"user-{i}", locale: i % 3 == 0 ? null : "DE", version: i % 5 == 0 ? null : i)))
            .ToArray();

        Assert.All(await service.StoreAsync(messages), outcome => Assert.Equal(LoginOutcome.Stored, outcome));

        var stored = await database.ScalarAsync<string[]>("""
            SELECT array_agg(concat_ws('|', message_id, user_id, coalesce(locale, '-'), coalesce(app_version::text, '-'))) FROM user_logins
            """);
        Assert.Equal(
            messages
                .Select(message => FormattableString.Invariant(
                    $"{message.MessageId}|{message.Login!.UserId}|{message.Login.Locale ?? "-"}|{(object?)message.Login.AppVersion ?? "-"}"))
                .Order(StringComparer.Ordinal),
            stored.Order(StringComparer.Ordinal));
        Assert.Equal($"{Many}|0|0|{Many}", await TotalsAsync(database));
    }

    [Fact]
    public async Task Among_many_that_are_new_those_that_are_there_are_repeats()
    {
        await using var database = await databases.CreateAsync();
        await using var service = await StartReadyAsync(database);
        var known = Message();
        await service.StoreAsync(known);
        var messages = Enumerable.Range(0, Many).Select(_ => Message()).ToArray();
        messages[250] = known;

        var outcomes = await service.StoreAsync(messages);

        Assert.Equal(LoginOutcome.Repeated, outcomes[250]);
        Assert.Equal(Many - 1, outcomes.Count(outcome => outcome is LoginOutcome.Stored));
        Assert.All(await service.StoreAsync(messages), outcome => Assert.Equal(LoginOutcome.Repeated, outcome));
        Assert.Equal($"{Many}|{Many + 1}|0|{Many}", await TotalsAsync(database));
    }

    [Fact]
    public async Task What_cannot_be_copied_goes_beside_what_can()
    {
        await using var database = await databases.CreateAsync();
        await using var service = await StartReadyAsync(database);
        var messages = Enumerable.Range(0, Many).Select(_ => Message()).ToArray();
        var (timeless, wrong) = (Message(timeless: true), Rejected("{}"));
        var first = messages[7] with { Login = messages[7].Login! with { UserId = "first" } };
        LoginMessage[] batch = [first, timeless, .. messages, wrong, messages[0], timeless, wrong];

        var outcomes = await service.StoreAsync(batch);

        Assert.Equal((LoginOutcome.Stored, LoginOutcome.Repeated), (outcomes[0], outcomes[2 + 7]));
        Assert.Equal("first", await database.ScalarAsync<string>($"SELECT user_id FROM user_logins WHERE message_id = '{first.MessageId}'"));
        Assert.Equal(
            [LoginOutcome.Quarantined, LoginOutcome.Repeated, LoginOutcome.Repeated, LoginOutcome.Repeated], outcomes.TakeLast(4));
        Assert.Equal($"{Many + 1}|4|1|{Many + 2}", await TotalsAsync(database));
        Assert.Equal(Many + 1, await database.ScalarAsync<long>("SELECT count(*) FROM user_logins"));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(Many)]
    public async Task What_fails_at_its_commit_is_not_stored_and_not_called_so(int count)
    {
        await using var database = await databases.CreateAsync();
        await using var service = await StartReadyAsync(database);
        await database.ExecuteAsync("""
            CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no room' USING ERRCODE = 'disk_full'; END $$;
            CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON ledger DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail()
            """);
        var messages = Enumerable.Range(0, count).Select(_ => Message()).ToArray();

        Assert.All(await service.StoreAsync(messages), outcome => Assert.Equal(LoginOutcome.Retry, outcome));

        Assert.Equal("0|0|0|0", await TotalsAsync(database));
        await database.ExecuteAsync("DROP TRIGGER at_commit ON ledger");
        var outcomes = await service.StoreAsync(messages);
        Assert.True(outcomes.All(outcome => outcome is LoginOutcome.Stored), string.Join("\n", service.Logs.Lines.TakeLast(40).Select(line => line.Full)));
        Assert.Equal($"{count}|0|0|{count}", await TotalsAsync(database));
    }

    [Fact]
    public async Task Refused_logins_fail_none_of_many_neighbours()
    {
        await using var database = await databases.CreateAsync();
        await using var service = await StartReadyAsync(database);
        await database.ExecuteAsync("ALTER TABLE user_logins ADD CONSTRAINT nobody_is_refused CHECK (user_id <> 'refused')");
        var messages = Enumerable.Range(0, Many).Select(i => Message(Login(userId: i is 70 or 233 ? "refused" : $"user-{i}"))).ToArray();

        var outcomes = await service.StoreAsync(messages);

        Assert.Equal([70, 233], Enumerable.Range(0, Many).Where(i => outcomes[i] is LoginOutcome.Refused));
        Assert.Equal(Many - 2, outcomes.Count(outcome => outcome is LoginOutcome.Stored));
        Assert.Equal($"{Many - 2}|0|0|{Many - 2}", await TotalsAsync(database));
    }

    private static Task<string> TotalsAsync(TestDatabase database) =>
        database.ScalarAsync<string>("SELECT concat_ws('|', stored, repeated, quarantined, accounted) FROM ledger_totals");
}
