using System.Net;
using System.Text;
using PiiMasking.Contracts;
using PiiMasking.Testing;
using PiiMasking.Tink;
using static PiiMasking.MaskingService.Tests.RunningService;

namespace PiiMasking.MaskingService.Tests.Logins;

public sealed class StoringLogins(MigratedDatabases databases)
{
    [Fact]
    public async Task A_login_is_stored_with_tokens_that_open_to_its_values()
    {
        await using var database = await databases.CreateAsync();
        await using var service = await StartReadyAsync(database);

        Assert.Equal([LoginOutcome.Stored], await service.StoreAsync(Message(Login("199.172.111.135", "593-47-5928", locale: null, version: null))));

        Assert.Equal("199.172.111.135", await OpenAsync(service, database, "ip", "masked_ip"));
        Assert.Equal("593-47-5928", await OpenAsync(service, database, "device_id", "masked_device_id"));
        Assert.Equal("user-1|android|<null>|<null>|2026-11-22", await database.ScalarAsync<string>(
            "SELECT concat_ws('|', user_id, device_type, coalesce(locale, '<null>'), coalesce(app_version::text, '<null>'), create_date) FROM user_logins"));
    }

    [Fact]
    public async Task Equal_values_have_equal_tokens_and_different_values_different_ones()
    {
        await using var database = await databases.CreateAsync();
        await using var service = await StartReadyAsync(database);

        await service.StoreAsync(Message(Login("198.18.0.1", "a")), Message(Login("198.18.0.1", "b")), Message(Login("2001:db8::1", "a")));

        Assert.Equal("2,1", await database.ScalarAsync<string>("SELECT string_agg(n::text, ',' ORDER BY n DESC) FROM (SELECT count(*) n FROM user_logins GROUP BY masked_ip) g"));
        Assert.Equal("2,1", await database.ScalarAsync<string>("SELECT string_agg(n::text, ',' ORDER BY n DESC) FROM (SELECT count(*) n FROM user_logins GROUP BY masked_device_id) g"));
    }

    [Theory]
    [InlineData("1.1.1.1", 48)]
    [InlineData("255.255.255.255", 48)]
    [InlineData("::1", 80)]
    [InlineData("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", 80)]
    public async Task The_length_of_an_address_token_tells_the_family_only(string ip, int length)
    {
        await using var database = await databases.CreateAsync();
        await using var service = await StartReadyAsync(database);

        await service.StoreAsync(Message(Login(ip)));

        Assert.Equal(length, await database.ScalarAsync<int>("SELECT length(masked_ip) FROM user_logins"));
    }

    [Fact]
    public async Task A_redelivered_login_is_stored_once()
    {
        await using var database = await databases.CreateAsync();
        await using var service = await StartReadyAsync(database);
        var message = Message();

        Assert.Equal([LoginOutcome.Stored], await service.StoreAsync(message));
        Assert.Equal([LoginOutcome.Repeated], await service.StoreAsync(message));

        Assert.Equal(1, await database.ScalarAsync<long>("SELECT count(*) FROM user_logins"));
        Assert.Equal("1|1|1", await TotalsAsync(database));
    }

    [Fact]
    public async Task Two_deliveries_in_one_batch_are_stored_once()
    {
        await using var database = await databases.CreateAsync();
        await using var service = await StartReadyAsync(database);
        var message = Message();

        Assert.Equal([LoginOutcome.Stored, LoginOutcome.Repeated, LoginOutcome.Stored], await service.StoreAsync(message, message, Message()));

        Assert.Equal("2|1|2", await TotalsAsync(database));
    }

    [Fact]
    public async Task Two_replicas_that_get_the_same_messages_at_once_store_each_once()
    {
        await using var database = await databases.CreateAsync();
        await using var store = await StoreWithKeysetsAsync();
        await using var one = await StartReadyAsync(database, store);
        await using var other = await StartReadyAsync(database, store);
        var messages = Enumerable.Range(0, 500).Select(_ => Message()).ToArray();

        var outcomes = await Task.WhenAll(
            one.StoreAsync(messages), other.StoreAsync([.. messages.Reverse()]), one.StoreAsync(messages), other.StoreAsync([.. messages.Reverse()]));

        Assert.Equal(500, outcomes.Sum(each => each.Count(outcome => outcome is LoginOutcome.Stored)));
        Assert.Equal(1500, outcomes.Sum(each => each.Count(outcome => outcome is LoginOutcome.Repeated)));
        Assert.Equal("500|1500|500", await TotalsAsync(database));
    }

    [Fact]
    public async Task A_message_without_a_time_of_its_own_is_stored_once_even_on_another_day()
    {
        await using var database = await databases.CreateAsync();
        await using var service = await StartReadyAsync(database);
        var message = Message(timeless: true);

        Assert.Equal([LoginOutcome.Stored, LoginOutcome.Repeated], await service.StoreAsync(message, message));
        await database.ExecuteAsync("UPDATE user_logins SET create_date = create_date - 1; UPDATE seen_messages SET seen_on = seen_on - 1");
        Assert.Equal([LoginOutcome.Repeated], await service.StoreAsync(message));

        Assert.Equal(1, await database.ScalarAsync<long>("SELECT count(*) FROM user_logins"));
    }

    [Theory]
    [InlineData("0001-01-01T00:00:00Z")]
    [InlineData("1970-01-01T00:00:00Z")]
    [InlineData("2099-12-31T23:59:59Z")]
    [InlineData("9999-12-31T23:59:59Z")]
    public async Task A_login_with_an_odd_date_keeps_it(string sentAt)
    {
        await using var database = await databases.CreateAsync();
        await using var service = await StartReadyAsync(database);

        Assert.Equal(
            [LoginOutcome.Stored, LoginOutcome.Stored],
            await service.StoreAsync(Message(sentAt: DateTimeOffset.Parse(sentAt, System.Globalization.CultureInfo.InvariantCulture)), Message()));

        Assert.Equal(1, await database.ScalarAsync<long>($"SELECT count(*) FROM user_logins WHERE create_date = '{sentAt[..10]}'"));
    }

    [Fact]
    public async Task A_rejected_message_is_quarantined_sealed_and_once()
    {
        await using var database = await databases.CreateAsync();
        await using var service = await StartReadyAsync(database);
        var message = Rejected("""{"ip": "198.18.7.7", "user": "canary-5c1d"}""", "ip_not_an_address");

        Assert.Equal([LoginOutcome.Quarantined, LoginOutcome.Stored], await service.StoreAsync(message, Message()));
        Assert.Equal([LoginOutcome.Repeated], await service.StoreAsync(message));

        Assert.Equal("ip_not_an_address", await database.ScalarAsync<string>("SELECT reason FROM quarantine"));
        var stored = await database.ScalarAsync<byte[]>("SELECT sealed_payload FROM quarantine");
        Assert.DoesNotContain("canary", Encoding.Latin1.GetString(stored), StringComparison.Ordinal);
        using var keyset = Keyset.Parse(Encoding.UTF8.GetBytes(service.Store.Secrets["quarantine-keyset"]));
        using var aead = new Aead(keyset);
        Assert.True(aead.TryDecrypt(stored, Encoding.ASCII.GetBytes($"quarantine/{message.MessageId}"), out var payload));
        Assert.Equal(message.Rejection!.Payload.ToArray(), payload);
        Assert.Equal("1|1|2", await TotalsAsync(database));
    }

    [Fact]
    public async Task A_login_that_Postgres_refuses_fails_none_of_its_neighbours()
    {
        await using var database = await databases.CreateAsync();
        await using var service = await StartReadyAsync(database);
        await database.ExecuteAsync("ALTER TABLE user_logins ADD CONSTRAINT nobody_is_refused CHECK (user_id <> 'refused')");
        var messages = Enumerable.Range(0, 50).Select(i => Message(Login(userId: i is 7 or 33 ? "refused" : $"user-{i}"))).ToArray();

        var outcomes = await service.StoreAsync(messages);

        Assert.Equal([7, 33], Enumerable.Range(0, 50).Where(i => outcomes[i] is LoginOutcome.Refused));
        Assert.Equal(48, outcomes.Count(outcome => outcome is LoginOutcome.Stored));
        Assert.Equal([LoginOutcome.Quarantined], await service.StoreAsync(
            new LoginMessage(messages[7].MessageId, messages[7].SentAt, null, new Rejection(Rejection.RefusedByStorage, "{}"u8.ToArray()))));
    }

    [Fact]
    public async Task One_refused_login_alone_is_refused()
    {
        await using var database = await databases.CreateAsync();
        await using var service = await StartReadyAsync(database);

        Assert.Equal([LoginOutcome.Refused], await service.StoreAsync(Message(Login(userId: new string('x', 129)))));
    }

    [Fact]
    public async Task When_most_of_a_batch_is_refused_nothing_is_condemned()
    {
        await using var database = await databases.CreateAsync();
        await using var service = await StartReadyAsync(database);
        await database.ExecuteAsync("ALTER TABLE user_logins ADD CONSTRAINT everybody_is_refused CHECK (user_id = 'nobody')");

        var outcomes = await service.StoreAsync([.. Enumerable.Range(0, 20).Select(_ => Message())]);

        Assert.All(outcomes, outcome => Assert.Equal(LoginOutcome.Retry, outcome));
        Assert.Contains(service.Logs.Lines, line => line.Message.Contains("does not fit this version", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_failure_that_passes_condemns_no_message()
    {
        await using var database = await databases.CreateAsync();
        await using var service = await StartReadyAsync(database);
        await database.ExecuteAsync("""
            CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'disk full' USING ERRCODE = '53100'; END $$;
            CREATE TRIGGER fail BEFORE INSERT ON user_logins FOR EACH ROW EXECUTE FUNCTION fail();
            """);
        var message = Message();

        Assert.Equal([LoginOutcome.Retry], await service.StoreAsync(message));
        await database.ExecuteAsync("DROP FUNCTION fail CASCADE");
        Assert.Equal([LoginOutcome.Stored], await service.StoreAsync(message));
    }

    [Fact]
    public async Task A_date_without_a_partition_is_tried_again_and_not_condemned()
    {
        await using var database = await databases.CreateAsync();
        await using var service = await StartReadyAsync(database);
        await database.ExecuteAsync("ALTER TABLE user_logins DETACH PARTITION user_logins_default");

        Assert.Equal([LoginOutcome.Retry], await service.StoreAsync(Message(sentAt: DateTimeOffset.UnixEpoch)));
    }

    [Fact]
    public async Task Masking_follows_the_generation_and_not_the_primary()
    {
        await using var database = await databases.CreateAsync();
        // Neither looks at the keys by itself while this runs.
        Dictionary<string, string?> settings = new() { ["Rotation:CheckEvery"] = "00:10:00", ["Rotation:ReplicaGoneAfter"] = "01:00:00" };
        await using var service = await StartReadyAsync(database, settings: settings);
        await service.StoreAsync(Message());
        using var before = Keyset.Parse(Encoding.UTF8.GetBytes(service.Store.Secrets["masking-keyset"]));
        using var after = before.WithNewKey(makePrimary: true);

        await using var store = await StoreWithKeysetsAsync();
        store.Secrets["masking-keyset"] = Encoding.UTF8.GetString(after.ToJson());
        store.Secrets["quarantine-keyset"] = service.Store.Secrets["quarantine-keyset"];
        await using var other = await StartReadyAsync(database, store, settings);
        await other.StoreAsync(Message());

        Assert.Equal(1, await database.ScalarAsync<long>("SELECT count(DISTINCT masked_ip) FROM user_logins"));

        // Now the table moves to the new primary, as a rotation will do it: what was masked ahead is masked again.
        await database.ExecuteAsync($"UPDATE key_generation SET key_id = {after.PrimaryKeyId}");
        await other.StoreAsync(Message());

        Assert.Equal(2, await database.ScalarAsync<long>("SELECT count(DISTINCT masked_ip) FROM user_logins"));
        // A replica whose keyset lacks the key stores nothing under another one, and looks whether its secret has it by now.
        var late = Message();
        Assert.Equal([LoginOutcome.Retry], await service.StoreAsync(late));
        service.Store.Secrets["masking-keyset"] = store.Secrets["masking-keyset"];
        await Eventually.HoldsAsync(
            "the replica has read the new keyset", async () => (await service.StoreAsync(late))[0] is LoginOutcome.Stored, TimeSpan.FromSeconds(20));
        Assert.Equal(2, await database.ScalarAsync<long>("SELECT count(DISTINCT masked_ip) FROM user_logins"));
    }

    [Fact]
    public async Task No_value_of_a_login_or_a_rejection_is_logged()
    {
        await using var database = await databases.CreateAsync();
        await using var service = await StartReadyAsync(database);

        await service.StoreAsync(
            Message(Login("198.18.99.99", "canary-device", "canary-user")),
            Message(Login("198.18.99.99", "canary-device", "canary-user" + new string('x', 200))),
            Rejected("canary-payload"));

        Assert.NotEmpty(service.Logs.Lines);
        Assert.DoesNotContain("198.18.99.99", service.Logs.Everything, StringComparison.Ordinal);
        Assert.DoesNotContain("canary", service.Logs.Everything, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("canary")]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("""{"messages": [null]}""")]
    [InlineData("""{"messages": [{"messageId": "canary"}]}""")]
    [InlineData("""{"messages": [{"messageId": "7d6f1f0e-0000-0000-0000-000000000001"}]}""")]
    [InlineData("""{"messages": [{"messageId": "7d6f1f0e-0000-0000-0000-000000000001", "login": {"userId": "canary"}}]}""")]
    [InlineData("""{"messages": [{"messageId": "7d6f1f0e-0000-0000-0000-000000000001", "login": {"userId": "u", "ip": "canary-ü", "deviceId": "d"}}]}""")]
    [InlineData("""{"messages": [{"messageId": "7d6f1f0e-0000-0000-0000-000000000001", "rejection": {"reason": "Canary!", "payload": ""}}]}""")]
    [InlineData("""{"messages": [5, "canary"]}""")]
    [InlineData("""{"messages": [{"messageId": "7d6f1f0e-0000-0000-0000-000000000001", "login": 5, "rejection": null}]}""")]
    [InlineData("""{"messages": [{"messageId": "7d6f1f0e-0000-0000-0000-000000000001", "login": ["canary"]}]}""")]
    [InlineData("""{"messages": [{"messageId": "7d6f1f0e-0000-0000-0000-000000000001", "login": "canary"}]}""")]
    [InlineData("""{"messages": [{"messageId": "7d6f1f0e-0000-0000-0000-000000000001", "login": {"userId": "u", "ip": null, "deviceId": "canary"}}]}""")]
    [InlineData("""{"messages": [{"messageId": "7d6f1f0e-0000-0000-0000-000000000001", "login": {"userId": "u", "ip": "198.18.0.1", "deviceId": ["canary"]}}]}""")]
    [InlineData("""{"messages": [{"messageId": "7d6f1f0e-0000-0000-0000-000000000001", "login": {"userId": "u", "ip": "198.18.0.1", "deviceId": "d", "deviceType": {"canary": 1}}}]}""")]
    [InlineData("""{"messages": [{"messageId": "7d6f1f0e-0000-0000-0000-000000000001", "login": {"userId": "u", "ip": "198.18.0.1", "deviceId": "d", "locale": 5}}]}""")]
    [InlineData("""{"messages": [{"messageId": "7d6f1f0e-0000-0000-0000-000000000001", "login": {"userId": "u", "ip": "198.18.0.1", "deviceId": "d", "appVersion": "canary"}}]}""")]
    [InlineData("""{"messages": [{"messageId": "7d6f1f0e-0000-0000-0000-000000000001", "sentAt": "canary", "login": {"userId": "u", "ip": "198.18.0.1", "deviceId": "d"}}]}""")]
    [InlineData("""{"messages": [{"messageId": "7d6f1f0e-0000-0000-0000-000000000001", "rejection": {"reason": null, "payload": "canary"}}]}""")]
    public async Task A_body_that_is_no_batch_gets_400_without_a_value_in_it(string body)
    {
        await using var database = await databases.CreateAsync();
        await using var service = await StartReadyAsync(database);

        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using var response = await service.App.PostAsync(new Uri(LoginBatch.Route, UriKind.Relative), content);

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.DoesNotContain("canary", await response.Content.ReadAsStringAsync() + service.Logs.Everything, StringComparison.OrdinalIgnoreCase);
        Assert.Equal(0, await database.ScalarAsync<long>("SELECT count(*) FROM ledger"));
    }

    [Fact]
    public async Task Members_that_nobody_knows_are_passed_over_and_names_may_be_escaped()
    {
        await using var database = await databases.CreateAsync();
        await using var service = await StartReadyAsync(database);

        using var content = new StringContent(
            """
            {"later": [{"login": 1}], "messages": [{"later": {"messageId": 1}, "messageId": "7d6f1f0e-0000-0000-0000-000000000001", "sentAt": null, "rejection": null,
              "login": {"later": [null], "user\u0049d": "u", "ip": "198.18.0.1", "deviceId": "d", "deviceType": null, "locale": "\u00fc", "appVersion": null}}]}
            """,
            Encoding.UTF8, "application/json");
        using var response = await service.App.PostAsync(new Uri(LoginBatch.Route, UriKind.Relative), content);

        Assert.Equal("""{"outcomes":["stored"]}""", await response.Content.ReadAsStringAsync());
        Assert.Equal("u,,ü", await database.ScalarAsync<string>("SELECT concat_ws(',', user_id, coalesce(device_type, ''), locale) FROM user_logins"));
    }

    [Fact]
    public async Task An_empty_batch_leaves_no_trace()
    {
        await using var database = await databases.CreateAsync();
        await using var service = await StartReadyAsync(database);

        Assert.Empty(await service.StoreAsync());

        Assert.Equal(0, await database.ScalarAsync<long>("SELECT count(*) FROM ledger"));
    }

    [Fact]
    public async Task The_people_port_does_not_take_logins()
    {
        await using var database = await databases.CreateAsync();
        await using var service = await StartReadyAsync(database);

        using var content = new StringContent("""{"messages": []}""", Encoding.UTF8, "application/json");
        using var response = await service.People.PostAsync(new Uri(LoginBatch.Route, UriKind.Relative), content);

        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
    }

    [Fact]
    public async Task Without_the_app_token_nothing_is_stored()
    {
        await using var database = await databases.CreateAsync();
        await using var service = await StartReadyAsync(database, settings: new() { ["APP_API_TOKEN"] = "token-of-the-app" });

        using (var anonymous = await service.PostAsync(Message()))
        {
            Assert.Equal(HttpStatusCode.Unauthorized, anonymous.StatusCode);
        }

        service.App.DefaultRequestHeaders.Add("dapr-api-token", "token-of-the-app");
        Assert.Equal([LoginOutcome.Stored], await service.StoreAsync(Message()));
        Assert.Equal(1, await database.ScalarAsync<long>("SELECT count(*) FROM user_logins"));
    }

    private static Task<string> TotalsAsync(TestDatabase database) =>
        database.ScalarAsync<string>("SELECT concat_ws('|', stored, repeated, accounted) FROM ledger_totals");

    private static async Task<string> OpenAsync(RunningService service, TestDatabase database, string field, string column)
    {
        using var keyset = Keyset.Parse(Encoding.UTF8.GetBytes(service.Store.Secrets["masking-keyset"]));
        using var aead = new DeterministicAead(keyset);
        var plaintext = new byte[256];
        Assert.True(aead.ForField(field).TryDecryptBase64(await database.ScalarAsync<string>($"SELECT {column} FROM user_logins"), plaintext, out var length));
        return Encoding.UTF8.GetString(plaintext, 0, length).TrimEnd(' ');
    }
}
