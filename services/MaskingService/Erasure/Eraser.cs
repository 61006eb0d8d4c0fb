using System.Globalization;
using Npgsql;
using NpgsqlTypes;
using PiiMasking.Logins;
using PiiMasking.MaskingService.Audit;
using PiiMasking.MaskingService.Keys;
using PiiMasking.MaskingService.Masking;
using PiiMasking.MaskingService.People;
using PiiMasking.MaskingService.Quarantine;
using PiiMasking.MaskingService.Storage;
using PiiMasking.Tink;

namespace PiiMasking.MaskingService.Erasure;

/// <summary>
/// Completes erasures: deletes logins and messages in quarantine in small transactions, however often it is broken off. From the moment
/// that the fingerprint is there nothing new has to be found, so that it ends.
/// </summary>
internal sealed class Eraser(
    PeopleDatabase database, Keyring keyring, IntegrityKeys integrity, ErasureGate gate, TouchedDuplicates duplicates, ReceiptFile receipts,
    AuditLog audit, TimeProvider time, ILogger<Eraser> logger)
{
    private const int LoginsAtOnce = 500;
    private const int LoginsFoundAtOnce = 50_000;

    // Payloads may be as large as a message: a megabyte.
    private const int MessagesAtOnce = 100;

    private static readonly TimeSpan FormerPartitionsInterval = TimeSpan.FromMilliseconds(500);

    private static readonly string FindLogins = Sql.Load("find_erased_logins.sql");
    private static readonly string FindQuarantined = Sql.Load("find_quarantined_of_users.sql");
    private static readonly string EraseQuarantined = Sql.Load("erase_from_quarantine.sql");
    private static readonly string Complete = Sql.Load("complete_erasure.sql");

    private readonly record struct Found(Guid ErasureId, DateOnly CreateDate, Guid MessageId);

    private sealed record Kept(
        Guid MessageId, DateTimeOffset? SentAt, DateTimeOffset QuarantinedAt, byte[]? Fingerprints, byte[]? SealedPayload);

    /// <summary>What is looked for in quarantine; messages with fingerprints under other keys have to be opened.</summary>
    private sealed record Wanted(long[] KeyIds, byte[][] Fingerprints);

    /// <summary>Messages in quarantine that cannot be said to be anybody's.</summary>
    private readonly record struct Unknown(long Unopened, long Unattributed);

    /// <summary>Completes what is pending, unless another replica is at it.</summary>
    /// <returns>False if another one is.</returns>
    /// <exception cref="NpgsqlException">The database is away; what is deleted stays so and the rest is for the next time.</exception>
    /// <exception cref="PeopleUnavailableException">A keyset is not loaded.</exception>
    /// <exception cref="IOException">The receipt could not be written.</exception>
    public async Task<bool> CompleteAsync(CancellationToken stopping)
    {
        // One eraser, whatever the number of replicas. The lock is a transaction's, so that it works behind a pooler; should its connection
        // break, two of them at once do no harm.
        await using var holder = await database.Source.OpenConnectionAsync(stopping);
        await using var turn = await holder.BeginTransactionAsync(stopping);
        await using (var take = new NpgsqlCommand("SELECT pg_try_advisory_xact_lock(8099004711029928320)", holder))
        {
            if (await take.ExecuteScalarAsync(stopping) is not true)
                return false;
        }

        while (await ErasureStore.ReadPendingAsync(database.Source, stopping) is { Count: > 0 } pending)
            await CompleteAsync(pending, stopping);
        return true;
    }

    private async Task CompleteAsync(List<PendingErasure> pending, CancellationToken stopping)
    {
        var mac = integrity.Require();
        var keys = keyring.Current ?? throw new PeopleUnavailableException("The keysets are not loaded yet. See /readyz.");
        if (pending.FirstOrDefault(erasure => !mac.KeyIds.Contains(erasure.KeyId)) is { } foreign)
        {
            throw new PeopleUnavailableException(
                $"An erasure was made with key {foreign.KeyId} of the integrity keyset, which is not enabled. Enable it.");
        }

        if (await NameUsersAsync(pending, mac, stopping))
            pending = await ErasureStore.ReadPendingAsync(database.Source, stopping);
        await EraseLoginsAsync(stopping);
        await WaitForFormerPartitionsAsync(stopping);
        var unknown = await EraseQuarantinedAsync(pending, mac, keys, stopping);
        foreach (var erasure in pending)
            await CompleteAsync(erasure, mac, unknown, stopping);
    }

    /// <summary>A receipt has no user id: whose it is, is found by the fingerprints of all users there are, in one pass.</summary>
    /// <returns>Whether any was found.</returns>
    private async Task<bool> NameUsersAsync(List<PendingErasure> pending, Mac mac, CancellationToken stopping)
    {
        var nameless = pending.Where(erasure => erasure.UserId is null).ToLookup(erasure => Convert.ToHexString(erasure.Fingerprint));
        if (nameless.Count == 0)
            return false;
        var keyIds = nameless.SelectMany(each => each).Select(erasure => erasure.KeyId).Distinct().ToArray();
        var named = new List<(Guid ErasureId, string UserId)>();
        await using (var users = database.Source.CreateCommand("SELECT DISTINCT user_id FROM user_logins"))
        {
            users.CommandTimeout = 0;
            await using var reader = await users.ExecuteReaderAsync(stopping);
            while (await reader.ReadAsync(stopping))
            {
                var userId = reader.GetString(0);
                foreach (var keyId in keyIds)
                {
                    var fingerprint = Convert.ToHexString(Fingerprints.OfUser(mac, keyId, userId));
                    named.AddRange(nameless[fingerprint].Select(erasure => (erasure.ErasureId, userId)));
                }
            }
        }

        await using var update = database.Source.CreateCommand(
            "UPDATE erasures SET user_id = named.user_id FROM unnest($1, $2) AS named (erasure_id, user_id) "
            + "WHERE erasures.erasure_id = named.erasure_id AND completed_at IS NULL");
        update.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = [.. named.Select(each => each.ErasureId)] });
        update.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = [.. named.Select(each => each.UserId)] });
        return await update.ExecuteNonQueryAsync(stopping) > 0;
    }

    private async Task EraseLoginsAsync(CancellationToken stopping)
    {
        List<Found> found;
        do
        {
            found = await FindLoginsAsync(stopping);
            var tokens = MaskedField.All.ToDictionary(field => field, _ => new HashSet<string>());
            foreach (var group in found.GroupBy(login => login.ErasureId))
            {
                foreach (var chunk in group.Chunk(LoginsAtOnce))
                    await EraseLoginsAsync(group.Key, chunk, tokens, stopping);
            }

            await duplicates.RecountAsync(tokens, stopping);
        }
        while (found.Count == LoginsFoundAtOnce);
    }

    /// <summary>
    /// What a rotation has taken out of the table holds the same logins under the former key until it is dropped, moments later. Nothing is
    /// said to be gone before.
    /// </summary>
    private async Task WaitForFormerPartitionsAsync(CancellationToken stopping)
    {
        for (var asked = 0; ; asked++)
        {
            await using var command = database.Source.CreateCommand(
                @"SELECT EXISTS (SELECT FROM pg_class WHERE relkind = 'r' AND relname LIKE 'user\_logins\_former\_%')");
            if (await command.ExecuteScalarAsync(stopping) is not true)
                return;
            if (asked == 0)
                logger.FormerPartitionsAreThere();
            await Task.Delay(FormerPartitionsInterval, time, stopping);
        }
    }

    private async Task<List<Found>> FindLoginsAsync(CancellationToken stopping)
    {
        await using var command = database.Source.CreateCommand(FindLogins);
        command.CommandTimeout = 0;   // without an index on user_id it reads the whole table
        command.Parameters.Add(new NpgsqlParameter<DateOnly>("tomorrow", DateOnly.FromDateTime(time.GetUtcNow().UtcDateTime).AddDays(1)));
        command.Parameters.Add(new NpgsqlParameter<int>("count", LoginsFoundAtOnce));
        await using var reader = await command.ExecuteReaderAsync(stopping);
        var found = new List<Found>();
        while (await reader.ReadAsync(stopping))
            found.Add(new Found(reader.GetGuid(0), reader.GetFieldValue<DateOnly>(1), reader.GetGuid(2)));
        return found;
    }

    private async Task EraseLoginsAsync(
        Guid erasureId, Found[] chunk, Dictionary<MaskedField, HashSet<string>> tokens, CancellationToken stopping)
    {
        await using var command = database.Source.CreateCommand("SELECT ip_token, device_id_token FROM erase_logins($1, $2, $3)");
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = erasureId });
        command.Parameters.Add(new NpgsqlParameter<DateOnly[]> { TypedValue = Array.ConvertAll(chunk, login => login.CreateDate) });
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = Array.ConvertAll(chunk, login => login.MessageId) });
        await using var reader = await command.ExecuteReaderAsync(stopping);
        while (await reader.ReadAsync(stopping))
        {
            for (var field = 0; field < MaskedField.All.Count; field++)
                tokens[MaskedField.All[field]].Add(reader.GetString(field));
        }
    }

    private async Task<Unknown> EraseQuarantinedAsync(
        List<PendingErasure> pending, Mac mac, KeysetState keys, CancellationToken stopping)
    {
        // A fingerprint can be compared only with one under the same key; where the user is not known, there is only the one.
        var fingerprintsOf = pending.ToDictionary(erasure => erasure, erasure => erasure.UserId is { } userId
            ? mac.KeyIds.Select(keyId => Fingerprints.OfUser(mac, keyId, userId)).ToArray()
            : [erasure.Fingerprint]);
        var keyIds = mac.KeyIds.Where(keyId => pending.TrueForAll(erasure => erasure.UserId is not null || erasure.KeyId == keyId));
        var wanted = new Wanted([.. keyIds.Select(keyId => (long)keyId)], [.. fingerprintsOf.Values.SelectMany(each => each)]);

        var unopened = 0L;
        var after = Guid.Empty;
        while (await ReadQuarantinedAsync(wanted, after, stopping) is { Count: > 0 } kept)
        {
            var own = pending.ToDictionary(erasure => erasure, _ => new List<Guid>());
            foreach (var message in kept)
            {
                if (await FingerprintsInAsync(message, pending, mac, keys, stopping) is not { } found)
                {
                    unopened++;
                    continue;
                }

                var erasure = pending.Find(erasure =>
                    Array.Exists(fingerprintsOf[erasure], fingerprint => found.AsSpan().IndexOf(fingerprint) >= 0)
                    && gate.IsFromBefore(message.SentAt, message.QuarantinedAt, erasure.ErasedAt));
                if (erasure is not null)
                    own[erasure].Add(message.MessageId);
            }

            foreach (var (erasure, messageIds) in own.Where(each => each.Value.Count > 0))
                await EraseQuarantinedAsync(erasure, messageIds, stopping);
            after = kept[^1].MessageId;
        }

        await using var count = database.Source.CreateCommand("SELECT count(*) FROM quarantine WHERE user_fingerprints = ''");
        return new Unknown(unopened, (long)(await count.ExecuteScalarAsync(stopping))!);
    }

    /// <summary>Fingerprints of the users of a message, one after the other: those it has, or those that opening it shows.</summary>
    /// <returns>Null if it does not open.</returns>
    private async Task<byte[]?> FingerprintsInAsync(
        Kept message, List<PendingErasure> pending, Mac mac, KeysetState keys, CancellationToken stopping)
    {
        if (message.SealedPayload is null)
            return message.Fingerprints ?? [];
        if (QuarantineSeal.TryOpen(keys.Quarantine, message.MessageId, message.SealedPayload) is not { } payload)
            return null;
        var userIds = UserIds.ReadableIn(payload);
        await KeepFingerprintsAsync(message.MessageId, mac, userIds, stopping);
        return [.. pending.Select(erasure => erasure.KeyId).Append(mac.PrimaryKeyId).Distinct().SelectMany(
            keyId => userIds.SelectMany(userId => Fingerprints.OfUser(mac, keyId, userId)))];
    }

    private async Task<List<Kept>> ReadQuarantinedAsync(Wanted wanted, Guid after, CancellationToken stopping)
    {
        await using var command = database.Source.CreateCommand(FindQuarantined);
        command.CommandTimeout = 0;   // it may pass by many messages of others
        command.Parameters.Add(new NpgsqlParameter<Guid>("after", after));
        command.Parameters.Add(new NpgsqlParameter<long[]>("key_ids", wanted.KeyIds));
        command.Parameters.Add(new NpgsqlParameter<byte[][]>("fingerprints", wanted.Fingerprints));
        command.Parameters.Add(new NpgsqlParameter<int>("count", MessagesAtOnce));
        await using var reader = await command.ExecuteReaderAsync(stopping);
        var kept = new List<Kept>();
        while (await reader.ReadAsync(stopping))
        {
            kept.Add(new Kept(
                reader.GetGuid(0), await reader.IsDBNullAsync(1, stopping) ? null : reader.GetFieldValue<DateTimeOffset>(1),
                reader.GetFieldValue<DateTimeOffset>(2), await BytesAsync(3), await BytesAsync(5)));
        }

        return kept;

        async Task<byte[]?> BytesAsync(int column) =>
            await reader.IsDBNullAsync(column, stopping) ? null : reader.GetFieldValue<byte[]>(column);
    }

    /// <summary>What was found by opening need not be opened the next time.</summary>
    private async Task KeepFingerprintsAsync(Guid messageId, Mac mac, IReadOnlyCollection<string> userIds, CancellationToken stopping)
    {
        await using var command = database.Source.CreateCommand(
            "UPDATE quarantine SET user_fingerprints = $2, fingerprint_key_id = $3 WHERE message_id = $1");
        command.Parameters.Add(new NpgsqlParameter<Guid> { TypedValue = messageId });
        command.Parameters.Add(new NpgsqlParameter<byte[]>
        {
            TypedValue = [.. userIds.SelectMany(userId => Fingerprints.OfUser(mac, mac.PrimaryKeyId, userId))],
        });
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = mac.PrimaryKeyId });
        await command.ExecuteNonQueryAsync(stopping);
    }

    private async Task EraseQuarantinedAsync(PendingErasure erasure, List<Guid> messageIds, CancellationToken stopping)
    {
        await using var command = database.Source.CreateCommand(EraseQuarantined);
        command.Parameters.Add(new NpgsqlParameter<Guid>("erasure_id", erasure.ErasureId));
        command.Parameters.Add(new NpgsqlParameter<DateTimeOffset>("erased_at", erasure.ErasedAt));
        command.Parameters.Add(new NpgsqlParameter<Guid[]>("message_ids", [.. messageIds]));
        await command.ExecuteNonQueryAsync(stopping);
    }

    /// <summary>Receipt, then record and mark in one transaction: broken off in between, it only writes the receipt again.</summary>
    private async Task CompleteAsync(PendingErasure erasure, Mac mac, Unknown unknown, CancellationToken stopping)
    {
        var begun = await ErasureStore.FindAsync(database.Source, erasure.ErasureId, stopping);
        if (begun is not { CompletedAt: null })
            return;
        var completed = begun with
        {
            CompletedAt = Microseconds.Of(time.GetUtcNow()),
            Unopened = unknown.Unopened,
            Unattributed = unknown.Unattributed,
        };
        await receipts.AppendAsync(completed.Sign(mac), stopping);
        await audit.AppendAsync(subject: null, MarkAsync, stopping);
        logger.ErasureCompleted(
            completed.ErasureId, completed.Logins, completed.Quarantined, completed.Unopened, completed.Unattributed);

        async Task<AuditEntry> MarkAsync(NpgsqlConnection connection, CancellationToken cancellation)
        {
            await using var command = new NpgsqlCommand(Complete, connection)
            {
                Parameters =
                {
                    new NpgsqlParameter<Guid>("erasure_id", completed.ErasureId),
                    new NpgsqlParameter<DateTimeOffset>("completed_at", completed.CompletedAt.Value),
                    new NpgsqlParameter<long>("unopened", completed.Unopened),
                    new NpgsqlParameter<long>("unattributed", completed.Unattributed),
                },
            };
            await command.ExecuteNonQueryAsync(cancellation);
            return new AuditEntry(new Caller(null, null, null), AuditAction.Erasure, AuditOutcome.Completed)
            {
                Target = completed.ErasureId.ToString("D", CultureInfo.InvariantCulture),
                Detail = string.Create(
                    CultureInfo.InvariantCulture,
                    $"logins={completed.Logins} quarantined={completed.Quarantined} unopened={completed.Unopened} "
                    + $"unattributed={completed.Unattributed}"),
                Fingerprints = completed.Fingerprint,
            };
        }
    }
}
