using System.Net;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using PiiMasking.Contracts;
using PiiMasking.MaskingService.Duplicates;
using PiiMasking.MaskingService.Masking;
using PiiMasking.MaskingService.Tests.People;
using PiiMasking.Testing;
using static PiiMasking.MaskingService.Tests.RunningService;

namespace PiiMasking.MaskingService.Tests.Erasure;

public sealed class ErasingUsers(MigratedDatabases databases) : IAsyncLifetime
{
    private const string Someone = "canary-user-1f6b";

    private PeopleSystem system = null!;
    private ScratchFolder scratch = null!;

    private string ReceiptFile => scratch["receipts.jsonl"];

    private static DateTimeOffset Now => TimeProvider.System.GetUtcNow();

    public async ValueTask InitializeAsync()
    {
        scratch = new ScratchFolder();
        system = await PeopleSystem.StartAsync(databases, new()
        {
            ["Erasure:ReceiptFile"] = ReceiptFile,
            ["Erasure:ResumeEvery"] = "00:00:00.2",
            ["Duplicates:RefreshEvery"] = "01:00:00",
        });
    }

    public async ValueTask DisposeAsync()
    {
        await system.DisposeAsync();
        scratch.Dispose();
    }

    [Fact]
    public async Task What_was_sent_before_is_gone_and_stays_away_and_what_is_sent_later_is_stored()
    {
        var before = Enumerable.Range(0, 1_200).Select(i => Message(Login(userId: Someone), sentAt: Now.AddDays(-i % 40).AddMinutes(-1))).ToArray();
        var unseen = Message(Login(userId: Someone), sentAt: Now.AddMinutes(-1));
        var others = Enumerable.Range(0, 50).Select(i => Message(Login(userId: $"user-{i}"), sentAt: Now.AddDays(-i))).ToArray();
        await system.Service.StoreAsync([.. before, .. others]);

        var receipt = await EraseAsync();
        var later = Message(Login(userId: Someone), sentAt: Now.AddSeconds(1));

        Assert.Equal(1_200, (long)receipt["logins"]!);
        Assert.Equal(0, await LoginsAsync());
        Assert.Equal(50, await system.Database.ScalarAsync<long>("SELECT count(*) FROM user_logins"));
        Assert.Equal(
            [LoginOutcome.Erased, LoginOutcome.Erased, LoginOutcome.Erased, LoginOutcome.Stored, LoginOutcome.Repeated],
            await system.Service.StoreAsync(before[3], unseen, unseen, later, others[0]));
        Assert.Equal([LoginOutcome.Repeated], await system.Service.StoreAsync(later));
        Assert.Equal(1, await LoginsAsync());
        Assert.Equal(3, await LedgerAsync("erased"));
        // Each message once: 1,250 at first, then one that nobody had seen and the new login.
        Assert.Equal(1_252, await LedgerAsync("accounted"));
    }

    [Fact]
    public async Task Erased_while_logins_stream_in_nothing_from_before_is_left_and_nothing_from_after_is_missing()
    {
        using var stop = new CancellationTokenSource();
        var later = new List<LoginMessage>();
        var sent = new List<LoginMessage>();
        DateTimeOffset? erasedAt = null;
        var stream = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                var batch = Enumerable.Range(0, 40).Select(i => Message(Login(userId: i % 2 == 0 ? Someone : $"user-{i}"), sentAt: Now)).ToArray();
                sent.AddRange(batch);
                foreach (var (message, outcome) in batch.Zip(await system.Service.StoreAsync(batch)))
                    Assert.True(outcome is LoginOutcome.Stored || (outcome is LoginOutcome.Erased && message.Login!.UserId == Someone));
                if (erasedAt is not null)
                    await stop.CancelAsync();
            }
        });

        await Eventually.HoldsAsync("logins are there", async () => await LoginsAsync() > 200);
        var receipt = await EraseAsync();
        erasedAt = (DateTimeOffset)receipt["erasedAt"]!;
        await stream;

        later.AddRange(sent.Where(message => message.Login!.UserId == Someone && message.SentAt > erasedAt));
        Assert.NotEmpty(later);
        Assert.Equal(later.Count, await LoginsAsync());
        Assert.Equal(
            sent.Count(message => message.Login!.UserId != Someone),
            await system.Database.ScalarAsync<long>($"SELECT count(*) FROM user_logins WHERE user_id <> '{Someone}'"));
        Assert.Equal(sent.Count, await LedgerAsync("accounted"));
    }

    [Fact]
    public async Task Messages_without_a_time_of_their_own_or_with_one_in_the_future_do_not_come_back_either()
    {
        var timeless = Message(Login(userId: Someone), timeless: true);
        var future = Message(Login(userId: Someone), sentAt: new DateTimeOffset(2099, 1, 1, 0, 0, 0, TimeSpan.Zero));
        await system.Service.StoreAsync(timeless, future);
        var waiting = Message(Login(userId: Someone), timeless: true);

        Assert.Equal(2, (long)(await EraseAsync())["logins"]!);

        Assert.Equal([LoginOutcome.Erased, LoginOutcome.Erased, LoginOutcome.Erased], await system.Service.StoreAsync(timeless, future, waiting));
        Assert.Equal(0, await LoginsAsync());
        Assert.Equal(3, await LedgerAsync("accounted"));
        // As long as a broker may still have it, and no longer.
        await system.Database.ExecuteAsync("UPDATE erasures SET erased_at = erased_at - interval '29 days'");
        Assert.Equal([LoginOutcome.Stored], await system.Service.StoreAsync(Message(Login(userId: Someone), timeless: true)));
    }

    [Fact]
    public async Task Messages_in_quarantine_go_by_fingerprint_or_by_opening_and_the_receipt_says_what_cannot_be_found()
    {
        var bad = $$"""{"user_id": "{{Someone}}", "ip": "300.1.1.1"}""";
        var good = $$"""{"user_id": "{{Someone}}", "ip": "198.18.0.9", "device_id": "593-47-5928"}""";
        var fingerprinted = Of(bad, Someone);
        var unseen = Of(bad, Someone);
        var other = Of("""{"user_id": "someone else"}""", "someone else");
        var nameless = Of("no json");
        var unopened = Rejected(good);
        await system.Service.StoreAsync(fingerprinted, other, nameless, Rejected(good), Rejected(bad[..^9]), Rejected("neither"), unopened);
        await system.Database.ExecuteAsync($"UPDATE quarantine SET sealed_payload = 'x'::bytea || sealed_payload WHERE message_id = '{unopened.MessageId}'");

        var receipt = await EraseAsync();

        Assert.Equal((3, 1, 2), ((long)receipt["quarantined"]!, (long)receipt["unopened"]!, (long)receipt["unattributed"]!));
        Assert.Equal(4, await system.Database.ScalarAsync<long>("SELECT count(*) FROM quarantine"));
        Assert.Equal([LoginOutcome.Erased, LoginOutcome.Erased, LoginOutcome.Repeated], await system.Service.StoreAsync(fingerprinted, unseen, other));

        // It opens again, such as with a key that was not there: a replay takes it out and does not store it.
        await system.Database.ExecuteAsync($"UPDATE quarantine SET sealed_payload = substr(sealed_payload, 2) WHERE message_id = '{unopened.MessageId}'");
        var replay = await PeopleSystem.JsonAsync(await system.PostAsync("/v1/quarantine/replay", new { all = true }));
        Assert.Equal((0, 1), ((int)replay["stored"]!, (int)replay["erased"]!));
        Assert.Equal(0, await LoginsAsync());
        Assert.Equal(3, await system.Database.ScalarAsync<long>("SELECT count(*) FROM quarantine"));
    }

    [Fact]
    public async Task Duplicates_of_others_are_exact_in_the_view_and_in_the_roll_up()
    {
        await system.Service.StoreAsync(
            [.. Enumerable.Range(0, 5).Select(_ => Message(Login("198.18.7.1", "dev-1", Someone), sentAt: Now.AddMinutes(-1))),
             .. Enumerable.Range(0, 3).Select(i => Message(Login("198.18.7.1", $"dev-{i + 2}", $"user-{i}"), sentAt: Now.AddMinutes(-1))),
             .. Enumerable.Range(0, 2).Select(_ => Message(Login("198.18.7.2", "dev-9", "user-9"), sentAt: Now.AddMinutes(-1)))]);
        await RefreshDuplicatesAsync();
        Assert.Equal("8/4 2/1", await GroupsAsync("ip"));
        Assert.Equal("5/1 2/1", await GroupsAsync("device_id"));

        await EraseAsync();

        Assert.Equal("3/3 2/1", await GroupsAsync("ip"));
        Assert.Equal("2/1", await GroupsAsync("device_id"));
        Assert.Equal(2, await system.Database.ScalarAsync<long>("SELECT count(*) FROM duplicate_ips"));
        Assert.Equal(1, await system.Database.ScalarAsync<long>("SELECT groups FROM duplicate_refreshes WHERE field = 'device_id' AND time_window = 'all'"));
    }

    [Fact]
    public async Task It_needs_its_scope_is_on_the_record_and_says_nowhere_who_it_was()
    {
        await system.Service.StoreAsync(Message(Login(userId: Someone), sentAt: Now.AddMinutes(-1)));
        using var forbidden = await system.PostAsync(
            "/v1/erasures", new { user_id = Someone, reason = "r" }, BearerToken.For("op", "pii.reveal pii.quarantine pii.audit"));
        using var reasonless = await system.PostAsync("/v1/erasures", new { user_id = Someone });
        using var tooLong = await system.PostAsync("/v1/erasures", new { user_id = new string('x', 129), reason = "r" });
        using var unknown = await system.GetAsync($"/v1/erasures/{Guid.NewGuid()}");

        var receipt = await EraseAsync();

        Assert.Equal(
            [HttpStatusCode.Forbidden, HttpStatusCode.BadRequest, HttpStatusCode.BadRequest, HttpStatusCode.NotFound],
            new[] { forbidden, reasonless, tooLong, unknown }.Select(response => response.StatusCode));
        Assert.Equal(3, await system.RecordsAsync("action = 'erasure' AND outcome = 'refused'"));
        var id = (string)receipt["erasureId"]!;
        Assert.Equal(
            1, await system.RecordsAsync($"action = 'erasure' AND outcome = 'granted' AND subject = 'alice' AND reason = 'asked for it' AND ticket = 'DSR-7' AND target = '{id}' AND length(fingerprints) = 37"));
        Assert.Equal(1, await system.RecordsAsync($"action = 'erasure' AND outcome = 'completed' AND detail = 'logins=1 quarantined=0 unopened=0 unattributed=0' AND target = '{id}'"));
        var alone = await PeopleSystem.JsonAsync(await system.GetAsync($"/v1/erasures/{id}"));
        var listed = await PeopleSystem.JsonAsync(await system.GetAsync("/v1/erasures"));
        Assert.Equal(receipt.ToJsonString(), alone.ToJsonString());
        Assert.Equal(receipt.ToJsonString(), Assert.Single(listed["erasures"]!.AsArray())!.ToJsonString());
        Assert.Equal(receipt.ToJsonString(), JsonNode.Parse(Assert.Single(await File.ReadAllLinesAsync(ReceiptFile)))!.ToJsonString());

        Assert.DoesNotContain(Someone, system.Service.Logs.Everything, StringComparison.Ordinal);
        Assert.DoesNotContain(Someone, await File.ReadAllTextAsync(ReceiptFile), StringComparison.Ordinal);
        Assert.DoesNotContain(Someone, await system.Database.ScalarAsync<string>("SELECT concat(string_agg(audit::text, ''), (SELECT string_agg(erasures::text, '') FROM erasures)) FROM audit"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task It_is_not_said_to_be_done_while_a_rotation_has_left_former_partitions()
    {
        await system.Service.StoreAsync(Message(Login(userId: Someone), sentAt: Now.AddMinutes(-1)));
        await system.Database.ExecuteAsync("CREATE TABLE user_logins_former_1 AS SELECT * FROM user_logins");

        var asked = EraseAsync();
        await Eventually.HoldsAsync("it waits", () => system.Service.Logs.Lines.Any(line => line.EventId == 1703));
        Assert.Equal(0, await LoginsAsync());
        Assert.True(await system.Database.ScalarAsync<bool>("SELECT completed_at IS NULL FROM erasures"));
        await system.Database.ExecuteAsync("DROP TABLE user_logins_former_1");

        Assert.Equal(1, (long)(await asked)["logins"]!);
    }

    [Fact]
    public async Task Broken_off_between_fingerprint_and_deletion_it_is_completed_by_whoever_runs_next()
    {
        var before = Enumerable.Range(0, 10).Select(_ => Message(Login(userId: Someone), sentAt: Now.AddMinutes(-1))).ToArray();
        await system.Service.StoreAsync(before);
        // Deleting fails: it stays as a crash after the fingerprint leaves it.
        await system.Database.ExecuteAsync("REVOKE EXECUTE ON FUNCTION erase_logins(uuid, date[], uuid[]) FROM pii_people");
        var asked = EraseAsync();
        await Eventually.HoldsAsync("the fingerprint is there", () => system.Database.ScalarAsync<bool>("SELECT count(*) = 1 FROM erasures"));
        Assert.Equal(10, await LoginsAsync());
        Assert.Equal([LoginOutcome.Erased], await system.Service.StoreAsync(before[0]));
        var later = Message(Login(userId: Someone), sentAt: Now.AddSeconds(1));
        Assert.Equal([LoginOutcome.Stored], await system.Service.StoreAsync(later));

        await system.Database.ExecuteAsync("GRANT EXECUTE ON FUNCTION erase_logins(uuid, date[], uuid[]) TO pii_people");
        Assert.Equal(10, (long)(await asked)["logins"]!);

        Assert.Equal(0, await system.Database.ScalarAsync<long>("SELECT count(user_id) + (SELECT count(*) FROM erasure_spared) FROM erasures"));
        Assert.Equal(later.MessageId, await system.Database.ScalarAsync<Guid>($"SELECT message_id FROM user_logins WHERE user_id = '{Someone}'"));
        Assert.Single(await File.ReadAllLinesAsync(ReceiptFile));
    }

    private static LoginMessage Of(string payload, params string[] userIds) => Rejected(payload) switch
    {
        var message => message with { Rejection = message.Rejection! with { UserIds = userIds } },
    };

    private async Task<JsonNode> EraseAsync()
    {
        using var response = await system.PostAsync("/v1/erasures", new { user_id = Someone, reason = "asked for it", ticket = "DSR-7" });
        var answer = await response.Content.ReadAsStringAsync();
        Assert.True(response.StatusCode is HttpStatusCode.OK, answer);
        return JsonNode.Parse(answer)!;
    }

    private Task<long> LoginsAsync() => system.Database.ScalarAsync<long>($"SELECT count(*) FROM user_logins WHERE user_id = '{Someone}'");

    private Task<long> LedgerAsync(string what) => system.Database.ScalarAsync<long>($"SELECT {what} FROM ledger_totals");

    private async Task RefreshDuplicatesAsync()
    {
        var refresher = system.Service.Services.GetRequiredService<DuplicateRefresher>();
        foreach (var window in DuplicateWindow.All)
        {
            foreach (var field in MaskedField.All)
            {
                // The service counts by itself when it has started, and meanwhile nobody else does.
                var which = $"WHERE field = '{field.Name}' AND time_window = '{window.Name}'";
                await Eventually.HoldsAsync($"{field.Name} is counted in {window.Name}", async () =>
                {
                    await system.Database.ExecuteAsync($"DELETE FROM duplicate_groups {which}; DELETE FROM duplicate_refreshes {which}");
                    return await refresher.RefreshAsync(field, window, CancellationToken.None);
                });
            }
        }
    }

    private Task<string> GroupsAsync(string field) => system.Database.ScalarAsync<string>(
        $"SELECT string_agg(logins || '/' || users, ' ' ORDER BY logins DESC) FROM duplicate_groups WHERE field = '{field}' AND time_window = '7d'");
}
