using System.Text.Json.Nodes;
using Npgsql;
using static PiiMasking.MaskingService.Tests.RunningService;

namespace PiiMasking.MaskingService.Tests.Rotation;

public sealed class Rotating(MigratedDatabases databases)
{
    private const string KnownIp = "203.0.113.7";

    [Fact]
    public async Task Every_reader_sees_the_truth_at_every_moment_while_two_replicas_store_and_erase_and_keys_rotate()
    {
        await using var system = await RotatingSystem.StartAsync(databases, replicas: 2);
        await system.Database.ExecuteAsync("CREATE VIEW logins_of_analysts AS SELECT message_id, masked_ip, masked_device_id FROM user_logins");
        var (truth, random) = (system.Truth, new Random(7));
        var (before, doomed) = (truth.Make(random, 3_000), truth.Make(random, 500));
        await system.StoreAsync(before);
        await system.StoreAsync(doomed);
        await system.StoreAsync(truth.Make(random, 5, KnownIp));
        await system.HoldsAsync(
            "the duplicates are counted", "SELECT EXISTS (SELECT FROM duplicate_groups WHERE field = 'ip' AND time_window = 'all' AND logins >= 5)");

        using var stop = new CancellationTokenSource();
        var (sampled, listed) = (new List<string[]>(), new List<string>());
        var undone = new Queue<Contracts.LoginMessage[]>(doomed.Chunk(10));
        var work = new[]
        {
            RotatingSystem.RepeatAsync(async () => sampled.Add(await truth.CheckAsync(system.Database, "user_logins")), stop.Token),
            RotatingSystem.RepeatAsync(() => truth.CheckAsync(system.Database, "logins_of_analysts"), stop.Token),
            RotatingSystem.RepeatAsync(
                async () =>
                {
                    var messages = truth.Make(random, 20);
                    await system.StoreAsync(messages);
                    await system.StoreAsync([.. messages, .. random.GetItems(before, 10)]);
                },
                stop.Token),
            RotatingSystem.RepeatAsync(
                async () =>
                {
                    if (!undone.TryDequeue(out var going))
                        return;
                    truth.AreGoing(going);
                    await system.Database.ExecuteAsync(
                        $"SET ROLE pii_steward; DELETE FROM user_logins WHERE message_id IN ('{string.Join("','", going.Select(each => each.MessageId))}')");
                    truth.AreGone(going);
                },
                stop.Token),
            RotatingSystem.RepeatAsync(
                async () =>
                {
                    var found = JsonNode.Parse(await system.PostAsync(
                        "/v1/logins/search", $$"""{"field": "ip", "value": "{{KnownIp}}", "reason": "test"}"""))!;
                    Assert.Equal(5, (int?)found["total"]);
                    Assert.All(found["logins"]!.AsArray(), login => Assert.Equal((string?)found["token"], (string?)login!["maskedIp"]));
                    var page = JsonNode.Parse(await system.GetAsync("/v1/duplicates?field=ip&limit=1000"))!;
                    listed.Add(Assert.Single(page["groups"]!.AsArray().Select(group => ((string)group!["token"]!)[..6]).Distinct()));
                },
                stop.Token),
        };
        var from = RotatingSystem.PrimaryOf(system.Store.Secrets["masking-keyset"]);
        var to = system.Rotate();
        await system.DoneAsync(to, work);
        await Task.Delay(500, TestContext.Current.CancellationToken);
        await stop.CancelAsync();
        await Task.WhenAll(work);

        Assert.All(sampled, keys => Assert.Single(keys));
        Assert.Equal(2, sampled.Select(keys => keys[0]).Distinct().Count());
        Assert.Equal(2, listed.Distinct().Count());
        Assert.Equal(truth.Stored, await system.Database.ScalarAsync<long>("SELECT count(*) FROM user_logins"));
        Assert.Single(await truth.CheckAsync(system.Database, "logins_of_analysts"));
        Assert.Equal(
            0, await system.Database.ScalarAsync<long>("SELECT count(*) FROM pg_class WHERE relname ~ '^user_logins_(shadow|former)_' AND relkind = 'r'"));
        Assert.Equal(0, await system.Database.ScalarAsync<long>("SELECT count(*) FROM pg_constraint WHERE conname = 'in_its_range'"));
        Assert.Equal(0, await system.Database.ScalarAsync<int>("SELECT ensure_login_partitions(2)"));
        await DestroyAsync(system, from);
        Assert.Single(await truth.CheckAsync(system.Database, "logins_of_analysts"));
    }

    [Fact]
    public async Task Killed_anywhere_it_goes_on_where_it_was()
    {
        await using var system = await RotatingSystem.StartAsync(databases);
        await system.StoreAsync(system.Truth.Make(new Random(8), 3_000));
        var to = system.Rotate();
        await system.PhaseAsync("copying");

        using var stop = new CancellationTokenSource();
        var kills = RotatingSystem.RepeatAsync(
            async () =>
            {
                await system.Database.ExecuteAsync(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    + "WHERE application_name = 'masking-rotation' AND datname = current_database()");
                await Task.Delay(Random.Shared.Next(5, 150), CancellationToken.None);
            },
            stop.Token);
        for (var i = 0; i < 2; i++)
        {
            await Task.Delay(700, TestContext.Current.CancellationToken);
            await system.StartReplicaAsync();
            await system.KillReplicaAsync();
            await system.StoreAsync(system.Truth.Make(new Random(i), 50));
        }

        await stop.CancelAsync();
        await kills;
        await system.DoneAsync(to);

        Assert.Single(await system.Truth.CheckAsync(system.Database, "user_logins"));
        Assert.Equal(system.Truth.Stored, await system.Database.ScalarAsync<long>("SELECT count(*) FROM user_logins"));
    }

    [Fact]
    public async Task While_it_is_paused_partitions_come_and_go_rows_come_past_the_rules_and_another_primary_key_waits_its_turn()
    {
        await using var system = await RotatingSystem.StartAsync(databases);
        var messages = system.Truth.Make(new Random(9), 1_000);
        await system.StoreAsync(messages);
        var reader = await system.HoldSnapshotAsync();
        var first = system.Rotate();
        await system.PhaseAsync("settling");
        await system.HoldsAsync(
            "the worker waits for the reader", () => Task.FromResult(system.Service.Logs.Lines.Any(line => line.EventId == 1804)));
        Assert.Equal((0, "The rotation is paused.\n", ""), await system.RunAsync("", "rotation", "pause"));
        var second = system.Rotate();

        // The month before is dropped, a login for it comes in again, 2099 gets a partition, and a row is written by hand.
        var lastMonth = TimeProvider.System.GetUtcNow().AddMonths(-1);
        var partition = $"user_logins_{lastMonth:yyyy_MM}";
        var dropped = messages.Where(message => $"{message.SentAt:yyyyMM}" == $"{lastMonth:yyyyMM}").ToArray();
        Assert.NotEmpty(dropped);
        await system.Database.ExecuteAsync($"ALTER TABLE user_logins DETACH PARTITION {partition}; DROP TABLE {partition}");
        system.Truth.AreGone(dropped);
        await system.StoreAsync(Message(system.Truth, dropped[0].SentAt!.Value));
        await system.Database.ExecuteAsync("""
            CREATE TABLE user_logins_2099 (LIKE user_logins INCLUDING ALL);
            WITH moved AS (DELETE FROM user_logins_default WHERE create_date >= '2099-01-01' RETURNING *) INSERT INTO user_logins_2099 SELECT * FROM moved;
            ALTER TABLE user_logins ATTACH PARTITION user_logins_2099 FOR VALUES FROM ('2099-01-01') TO ('2100-01-01')
            """);
        var original = messages.First(message => message.SentAt == DateTimeOffset.UnixEpoch).MessageId;
        var copy = Guid.NewGuid();
        await system.Database.ExecuteAsync(
            "INSERT INTO user_logins (user_id, masked_ip, masked_device_id, create_date, message_id) "
            + $"SELECT user_id, masked_ip, masked_device_id, create_date, '{copy}' FROM user_logins WHERE message_id = '{original}'");
        system.Truth.IsCopyOf(copy, original);

        await reader.DisposeAsync();
        await Task.Delay(700, TestContext.Current.CancellationToken);
        // The step that was being taken as the pause came may have found the row written by hand: then it is copying again.
        Assert.True(
            await system.Database.ScalarAsync<bool>(
                $"SELECT next_key_id = {first} AND phase IN ('settling', 'copying') FROM key_generation, rotations WHERE to_key_id = {first}"));
        Assert.Matches(@"settling, paused, 99 %|copying, paused, \d+ %", (await system.RunAsync("", "rotation", "status")).Output);
        Assert.Equal((0, "The rotation may go on.\n", ""), await system.RunAsync("", "rotation", "resume"));
        await system.DoneAsync(second);

        Assert.Equal("done,done", await system.Database.ScalarAsync<string>("SELECT string_agg(phase, ',' ORDER BY number) FROM rotations"));
        Assert.Single(await system.Truth.CheckAsync(system.Database, "user_logins"));
        Assert.Equal(system.Truth.Stored, await system.Database.ScalarAsync<long>("SELECT count(*) FROM user_logins"));
        Assert.True(await system.Database.ScalarAsync<bool>("SELECT EXISTS (SELECT FROM user_logins_2099)"));
    }

    [Fact]
    public async Task A_replica_without_the_key_holds_it_up_and_what_is_abandoned_leaves_no_trace_and_waits_for_a_word()
    {
        await using var system = await RotatingSystem.StartAsync(databases);
        await system.StoreAsync(system.Truth.Make(new Random(10), 500));
        var from = RotatingSystem.PrimaryOf(system.Store.Secrets["masking-keyset"]);
        await system.Database.ExecuteAsync(
            $"INSERT INTO replicas VALUES (gen_random_uuid(), now() + interval '1 hour', {from}, '{{{from}}}', 1, '{{1}}', NULL, '{{}}')");
        var to = system.Rotate();
        await system.HoldsAsync("this replica has the key", $"SELECT EXISTS (SELECT FROM replicas WHERE masking_primary = {to})");
        var report = JsonNode.Parse(await system.GetAsync("/v1/rotation"))!;
        Assert.Equal(("a_replica_has_another_primary_key", from), ((string?)report["waitsFor"], (uint)report["keyId"]!));
        Assert.Equal((1, "There is no rotation that can be abandoned.\n", ""), await system.RunAsync("", "rotation", "abandon"));

        await using (await system.HoldSnapshotAsync())
        {
            await system.Database.ExecuteAsync("DELETE FROM replicas WHERE seen_at > now()");
            await system.PhaseAsync("settling");
            Assert.Equal("settling", (string?)JsonNode.Parse(await system.GetAsync("/v1/rotation"))!["rotation"]!["phase"]);
            Assert.Equal((0, "The rotation is abandoned.\n", ""), await system.RunAsync("", "rotation", "abandon"));
        }

        Assert.Equal(0, await system.Database.ScalarAsync<long>("SELECT count(*) FROM user_logins_shadow"));
        await system.StoreAsync(system.Truth.Make(new Random(11), 50));
        await Task.Delay(700, TestContext.Current.CancellationToken);
        Assert.Equal("it_was_abandoned", (string?)JsonNode.Parse(await system.GetAsync("/v1/rotation"))!["waitsFor"]);
        Assert.Single(await system.Truth.CheckAsync(system.Database, "user_logins"));

        Assert.Equal((0, "The rotation may go on.\n", ""), await system.RunAsync("", "rotation", "resume"));
        await system.DoneAsync(to);
        Assert.Single(await system.Truth.CheckAsync(system.Database, "user_logins"));
    }

    [Fact]
    public async Task A_reader_with_an_old_snapshot_misses_no_login_and_one_in_the_way_of_the_swap_stops_nobody()
    {
        await using var system = await RotatingSystem.StartAsync(databases);
        await system.StoreAsync(system.Truth.Make(new Random(12), 500));
        var (old, later) = (await system.HoldSnapshotAsync(), await system.Database.OpenAsync());
        var to = system.Rotate();
        await system.PhaseAsync("settling");

        // Seen from before the copy the table is whole. The later one has no snapshot (a query's would stay until its next statement, and may
        // be from before the end of anything that still runs), but the table is locked.
        Assert.Equal(500L, await ScalarAsync(old, "SELECT count(*) FROM user_logins"));
        await ScalarAsync(later, "BEGIN; LOCK TABLE user_logins IN ACCESS SHARE MODE");
        await old.DisposeAsync();
        await system.HoldsAsync(
            "the swap was put off", () => Task.FromResult(system.Service.Logs.Lines.Any(line => line.EventId == 1805)));
        await system.StoreAsync(system.Truth.Make(new Random(13), 50));
        await later.DisposeAsync();
        await system.DoneAsync(to);

        Assert.Equal(550, await system.Database.ScalarAsync<long>("SELECT count(*) FROM user_logins"));
    }

    [Fact]
    public async Task The_quarantine_and_the_audit_go_over_to_a_new_key_as_well()
    {
        await using var system = await RotatingSystem.StartAsync(databases);
        var rejected = Enumerable.Range(0, 45).Select(i => Rejected($"canary-{i}")).ToArray();
        await system.Service.StoreAsync(rejected);
        await system.HoldsAsync(
            "people are served", async () => (await system.GetAsync("/v1/audit")).Contains("records", StringComparison.Ordinal));
        var path = $"/v1/quarantine/{rejected[7].MessageId}/payload";
        Assert.Contains("canary-7", await system.PostAsync(path, """{"reason": "before"}"""), StringComparison.Ordinal);
        var (sealedUnder, signedUnder) = (Primary("quarantine-keyset"), Primary("integrity-keyset"));
        Assert.Contains($"Key {sealedUnder} of the quarantine keyset, enabled and primary: needed by 1 canaries, 45 messages in quarantine\n",
            (await system.RunAsync(system.Store.Secrets["quarantine-keyset"], "keyset", "proof")).Output, StringComparison.Ordinal);

        var (seals, signs) = (system.Rotate("quarantine-keyset"), system.Rotate("integrity-keyset"));
        await system.HoldsAsync(
            "all payloads are under the new key",
            $"SELECT count(*) = 45 AND EXISTS (SELECT FROM key_canaries WHERE keyset = 'quarantine' AND key_id = {sealedUnder} AND retired_at IS NOT NULL) "
            + $"FROM quarantine WHERE substring(sealed_payload FROM 2 FOR 4) = decode('{seals:x8}', 'hex')");
        await system.HoldsAsync(
            "both new keys have a canary",
            $"SELECT count(*) = 2 FROM key_canaries WHERE (keyset, key_id) IN (('integrity', {signs}), ('quarantine', {seals}))");
        await system.HoldsAsync(
            "the service computes with it",
            async () =>
            {
                Assert.Contains("canary-7", await system.PostAsync(path, """{"reason": "after"}"""), StringComparison.Ordinal);
                return await system.Database.ScalarAsync<bool>(
                    $"SELECT substring(mac FROM 2 FOR 4) = decode('{signs:x8}', 'hex') FROM audit ORDER BY number DESC LIMIT 1");
            });

        // The chain verifies across both keys, so the old one stays needed; that of the quarantine does not.
        using var keyset = Tink.Keyset.Parse(System.Text.Encoding.UTF8.GetBytes(system.Store.Secrets["integrity-keyset"]));
        using var mac = new Tink.Mac(keyset);
        await using var connection = await system.Database.OpenAsync();
        Assert.IsType<MaskingService.Audit.ChainOutcome.Intact>(
            await MaskingService.Audit.AuditChain.VerifyAsync(connection, mac, head: null, TestContext.Current.CancellationToken));
        var refusal = await system.RunAsync(
            system.Store.Secrets["integrity-keyset"], "keyset", "destroy", $"{signedUnder}", "--backups-older-than", "2026-01-01");
        Assert.Equal(1, refusal.ExitCode);
        Assert.Contains("audit records", refusal.Notes, StringComparison.Ordinal);
        await DestroyAsync(system, sealedUnder, "quarantine-keyset");
        Assert.Contains("canary-7", await system.PostAsync(path, """{"reason": "in the end"}"""), StringComparison.Ordinal);

        uint Primary(string secret) => RotatingSystem.PrimaryOf(system.Store.Secrets[secret]);
    }

    /// <summary>Destroys a key that nothing needs, and holds the verb to what it refuses.</summary>
    private static async Task DestroyAsync(RotatingSystem system, uint keyId, string secret = "masking-keyset")
    {
        var keyset = system.Store.Secrets[secret];
        var primary = RotatingSystem.PrimaryOf(keyset);
        var proof = (await system.RunAsync(keyset, "keyset", "proof")).Output;
        Assert.Matches($"Key {keyId} of the [a-z]+ keyset, enabled: needed by nothing since", proof);
        Assert.Matches($"Key {primary} of the [a-z]+ keyset, enabled and primary: needed by .*1 canaries", proof);

        var late = await system.RunAsync(keyset, "keyset", "destroy", $"{keyId}", "--backups-older-than", "2026-01-01");
        Assert.Equal((1, ""), (late.ExitCode, late.Output));
        Assert.Contains("backups up to then need it", late.Notes, StringComparison.Ordinal);
        var destroyed = await system.RunAsync(
            keyset, "keyset", "destroy", $"{keyId}", "--backups-older-than", $"{TimeProvider.System.GetUtcNow():O}");
        Assert.Equal((0, $"Key {keyId} is destroyed.\n"), (destroyed.ExitCode, destroyed.Notes));
        system.Store.Secrets[secret] = destroyed.Output;
        var column = secret == "masking-keyset" ? "masking_keys" : "quarantine_keys";
        await system.HoldsAsync("no replica has the key", $"SELECT NOT EXISTS (SELECT FROM replicas WHERE {keyId} = ANY ({column}))");
    }

    private static Contracts.LoginMessage Message(Truth truth, DateTimeOffset sentAt) => truth.Make(new Random(14), 1, sentAt: sentAt)[0];

    private static async Task<object?> ScalarAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync();
    }
}
