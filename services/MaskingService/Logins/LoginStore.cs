using System.Data;
using Npgsql;
using NpgsqlTypes;
using PiiMasking.Contracts;
using PiiMasking.MaskingService.Erasure;
using PiiMasking.MaskingService.Masking;
using PiiMasking.MaskingService.Storage;

namespace PiiMasking.MaskingService.Logins;

/// <summary>
/// Commits messages: logins, rejections and their ledger entry in one transaction. A row that Postgres refuses never fails its neighbours:
/// the batch is split until the offender stands alone.
/// </summary>
/// <remarks>
/// Many logins at once go by COPY, in the hope that all of them are new: that takes two thirds of the database's time, and cannot leave out
/// what is there already. When one is, or a row is refused, the transaction is done again by INSERT … ON CONFLICT.
/// </remarks>
internal sealed class LoginStore(
    NpgsqlDataSource database, LoginMasker masker, ErasureGate gate, Generation generation, TimeProvider time, ILogger<LoginStore> logger,
    LoginSource source = LoginSource.Live)
{
    // For fewer, the two round trips of a COPY cost more than it saves.
    private const int FewestCopied = 50;

    // Redeliveries come in numbers: for so long after one nothing is copied.
    private static readonly TimeSpan CopyPause = TimeSpan.FromSeconds(1);

    // Below this, "more than half refused" would make two odd rows out of three a systemic failure.
    private const int SmallestSystemicBatch = 8;

    // One round trip: what is read has to be read under the lock, and by statements of their own.
    private static readonly string LockAndRead = Sql.Load("lock_and_read_generation.sql") + ErasureGate.ReadKeys;
    // The last statement and the commit share a round trip: if the statement fails, as any does in an aborted transaction, PostgreSQL skips the
    // commit. So there has to be a statement before it, and no error barrier between them.
    private const string Commit = "COMMIT";
    private static readonly string StoreMessages = Sql.Load("store_messages.sql") + Commit;
    private static readonly string EnterCopied = Sql.Load("enter_copied_in_ledger.sql") + Commit;
    private static readonly string CopyLogins = Sql.Load("copy_logins.sql");
    private static readonly string ReleaseFromQuarantine = Sql.Load("release_from_quarantine.sql");

    private long noCopyUntil;

    /// <summary>Commits what can be committed and sets every message's outcome.</summary>
    /// <param name="messages">Masked already; any number.</param>
    /// <param name="stopping">Gives up between and during transactions; what is committed stays so.</param>
    /// <exception cref="NpgsqlException">Transient: the database is away or busy. Messages that were not committed keep the outcome retry.</exception>
    public async Task StoreAsync(ArraySegment<PendingMessage> messages, CancellationToken stopping)
    {
        var refused = new List<PendingMessage>();
        var mostRefused = messages.Count < SmallestSystemicBatch ? messages.Count : messages.Count / 2;
        if (await StoreOrSplitAsync(messages, refused, mostRefused, stopping))
            return;

        // So many at once are no odd rows but a table that does not take logins: nothing is condemned for it.
        foreach (var message in refused)
            message.Outcome = LoginOutcome.Retry;
        logger.MostRowsRefused(refused.Count, messages.Count);
    }

    /// <returns>False if more rows were refused than <paramref name="mostRefused"/>; the rest was then left alone.</returns>
    private async Task<bool> StoreOrSplitAsync(
        ArraySegment<PendingMessage> messages, List<PendingMessage> refused, int mostRefused, CancellationToken stopping)
    {
        try
        {
            await StoreInOneTransactionAsync(messages, stopping);
            return true;
        }
        catch (PostgresException e) when (RefusesARow(e))
        {
            if (messages.Count > 1)
            {
                var half = messages.Count / 2;
                return await StoreOrSplitAsync(messages[..half], refused, mostRefused, stopping)
                    && await StoreOrSplitAsync(messages[half..], refused, mostRefused, stopping);
            }

            logger.RowRefused(messages[0].MessageId, e.SqlState, e.ConstraintName);
            // A rejection has no other place to go; it is sent again until somebody mends the table.
            messages[0].Outcome = messages[0].Login is null ? LoginOutcome.Retry : LoginOutcome.Refused;
            refused.Add(messages[0]);
            return refused.Count <= mostRefused;
        }
    }

    private async Task StoreInOneTransactionAsync(ArraySegment<PendingMessage> messages, CancellationToken stopping)
    {
        if (source is LoginSource.Live && messages.Count >= FewestCopied && time.GetTimestamp() >= Volatile.Read(ref noCopyUntil))
        {
            try
            {
                await StoreOnceAsync(messages, copies: true, stopping);
                return;
            }
            catch (PostgresException e) when (RefusesARow(e) || IsRivalry(e))
            {
                Volatile.Write(ref noCopyUntil, time.GetTimestamp() + (long)(CopyPause.TotalSeconds * time.TimestampFrequency));
            }
        }

        try
        {
            await StoreOnceAsync(messages, copies: false, stopping);
        }
        catch (PostgresException e) when (IsRivalry(e))
        {
            await StoreOnceAsync(messages, copies: false, stopping);
        }
    }

    private async Task StoreOnceAsync(ArraySegment<PendingMessage> messages, bool copies, CancellationToken stopping)
    {
        await using var connection = await database.OpenConnectionAsync(stopping);
        try
        {
            await StoreOnceAsync(connection, messages, copies, stopping);
        }
        catch (PostgresException) when (connection.State is ConnectionState.Open)
        {
            // A statement that fails while Npgsql prepares it is prepared for the server and not for Npgsql, which then reads the answers to it
            // wrongly (npgsql#6391). What this connection has prepared is prepared anew.
            connection.UnprepareAll();
            throw;
        }
    }

    private async Task StoreOnceAsync(NpgsqlConnection connection, ArraySegment<PendingMessage> messages, bool copies, CancellationToken stopping)
    {
        await using var transaction = await connection.BeginTransactionAsync(stopping);

        var (keys, erasureKeyIds) = await LockAndReadAsync(connection, stopping);
        generation.Keys = keys;
        masker.MaskAgainIfKeyChanged(messages, keys);

        var waiting = source is LoginSource.Replay ? await ReleaseAsync(connection, messages, stopping) : messages;
        var erased = await gate.FindErasedAsync(connection, waiting, erasureKeyIds, stopping);
        if (erased.Messages.Count > 0)
            waiting = waiting.Where(message => !erased.Messages.Contains(message)).ToArray();
        var copied = new List<PendingMessage>();
        if (copies && keys.NextKeyId is null)
            (copied, waiting) = await CopyAsync(connection, waiting, stopping);
        var added = new HashSet<(DateOnly?, Guid)>(waiting.Count);
        await using (var command = waiting.Count == 0 && copied.Count > 0
            ? CreateEntryCommand(connection, erased, copied.Count)
            : CreateStoreCommand(connection, waiting, keys, erased, copied.Count))
        await using (var reader = await command.ExecuteReaderAsync(stopping))
        {
            while (await reader.ReadAsync(stopping))
                added.Add((reader.GetBoolean(0) ? null : reader.GetFieldValue<DateOnly>(1), reader.GetGuid(2)));
            // Waits for the commit, and throws if there was none.
            await reader.NextResultAsync(stopping);
        }

        // Only now is anything durable. Of several deliveries in one batch the first takes the row, the others repeat it.
        foreach (var message in messages)
        {
            var isLogin = message.Login is not null;
            message.Outcome = erased.Messages.Contains(message) ? LoginOutcome.Erased
                : !added.Remove((isLogin ? message.CreateDate : null, message.MessageId)) ? LoginOutcome.Repeated
                : isLogin ? LoginOutcome.Stored : LoginOutcome.Quarantined;
        }

        foreach (var message in copied)
            message.Outcome = LoginOutcome.Stored;
    }

    /// <summary>Copies the logins that have a time of their own, each once.</summary>
    /// <param name="connection">In the transaction.</param>
    /// <param name="messages">What is to be stored.</param>
    /// <param name="stopping">Cancels.</param>
    /// <returns>The messages that were copied, and those that are left.</returns>
    /// <exception cref="PostgresException">One of them is there already, or the table does not take it. Nothing can be done in this transaction any more.</exception>
    private static async Task<(List<PendingMessage> Copied, ArraySegment<PendingMessage> Left)> CopyAsync(
        NpgsqlConnection connection, ArraySegment<PendingMessage> messages, CancellationToken stopping)
    {
        var positions = new List<int>(messages.Count);
        var (rows, left) = (new List<PendingMessage>(messages.Count), new List<PendingMessage>());
        for (var position = 0; position < messages.Count; position++)
        {
            if (messages[position] is { Login: not null, SentAt: not null })
                positions.Add(position);
            else
                left.Add(messages[position]);
        }

        // Two writers with common ids take their locks in one order, and of several deliveries the first is the row.
        positions.Sort((a, b) => Compare(messages[a], messages[b]) is var order and not 0 ? order : a.CompareTo(b));
        foreach (var position in positions)
            (rows is [.., var last] && Compare(last, messages[position]) == 0 ? left : rows).Add(messages[position]);
        if (rows.Count < FewestCopied)
            return ([], messages);

        await using var copy = await connection.BeginBinaryImportAsync(CopyLogins, stopping);
        foreach (var row in rows)
        {
            var login = row.Login!;
            await copy.StartRowAsync(stopping);
            await copy.WriteAsync(row.CreateDate, NpgsqlDbType.Date, stopping);
            await copy.WriteAsync(row.MessageId, NpgsqlDbType.Uuid, stopping);
            await copy.WriteAsync(login.UserId, NpgsqlDbType.Text, stopping);
            await WriteAsync(login.DeviceType);
            await copy.WriteAsync(row.Masked!.Ip, NpgsqlDbType.Text, stopping);
            await copy.WriteAsync(row.Masked.DeviceId, NpgsqlDbType.Text, stopping);
            await WriteAsync(login.Locale);
            if (login.AppVersion is { } version)
                await copy.WriteAsync(version, NpgsqlDbType.Integer, stopping);
            else
                await copy.WriteNullAsync(stopping);
        }

        await copy.CompleteAsync(stopping);
        return (rows, left.ToArray());

        static int Compare(PendingMessage a, PendingMessage b) =>
            a.CreateDate.CompareTo(b.CreateDate) is var byDate and not 0 ? byDate : a.MessageId.CompareTo(b.MessageId);

        Task WriteAsync(string? text) => text is null ? copy.WriteNullAsync(stopping) : copy.WriteAsync(text, NpgsqlDbType.Text, stopping);
    }

    private static async Task<(GenerationKeys Keys, List<uint> ErasureKeyIds)> LockAndReadAsync(NpgsqlConnection connection, CancellationToken stopping)
    {
        await using var command = new NpgsqlCommand(LockAndRead, connection);
        await using var reader = await command.ExecuteReaderAsync(stopping);
        await reader.NextResultAsync(stopping);
        if (!await reader.ReadAsync(stopping))
            throw new GenerationMissingException();
        var keys = new GenerationKeys(
            checked((uint)reader.GetInt64(0)), await reader.IsDBNullAsync(1, stopping) ? null : checked((uint)reader.GetInt64(1)));
        await reader.NextResultAsync(stopping);
        return (keys, await ErasureGate.ReadKeysAsync(reader, stopping));
    }

    /// <summary>Takes messages out of the quarantine, in the transaction that stores them.</summary>
    /// <returns>Those that were still there: one that somebody deleted meanwhile must not come back.</returns>
    private static async Task<ArraySegment<PendingMessage>> ReleaseAsync(
        NpgsqlConnection connection, ArraySegment<PendingMessage> messages, CancellationToken stopping)
    {
        await using var command = new NpgsqlCommand(ReleaseFromQuarantine, connection);
        command.Parameters.Add(new NpgsqlParameter<Guid[]>("message_ids", [.. messages.Select(message => message.MessageId)]));
        await using var reader = await command.ExecuteReaderAsync(stopping);
        var released = new HashSet<Guid>();
        while (await reader.ReadAsync(stopping))
            released.Add(reader.GetGuid(0));
        return messages.Where(message => released.Contains(message.MessageId)).ToArray();
    }

    private static NpgsqlCommand CreateEntryCommand(NpgsqlConnection connection, ErasedMessages erased, int copied) => new(EnterCopied, connection)
    {
        Parameters =
        {
            new NpgsqlParameter<int>("copied", copied),
            new NpgsqlParameter<int>("erased", erased.Messages.Count),
            new NpgsqlParameter<int>("erased_again", erased.Again),
        },
    };

    private NpgsqlCommand CreateStoreCommand(
        NpgsqlConnection connection, ArraySegment<PendingMessage> messages, GenerationKeys keys, ErasedMessages erased, int copied)
    {
        var logins = messages.Where(message => message.Login is not null).ToArray();
        var rejections = messages.Where(message => message.Rejection is not null).ToArray();
        return new NpgsqlCommand(StoreMessages, connection)
        {
            Parameters =
            {
                Column("create_dates", NpgsqlDbType.Date, logins, login => login.CreateDate),
                Column("message_ids", NpgsqlDbType.Uuid, logins, login => login.MessageId),
                Column("has_times", NpgsqlDbType.Boolean, logins, login => login.SentAt is not null),
                Column("user_ids", NpgsqlDbType.Text, logins, login => login.Login!.UserId),
                Column("device_types", NpgsqlDbType.Text, logins, login => login.Login!.DeviceType),
                Column("masked_ips", NpgsqlDbType.Text, logins, login => login.Masked!.Ip),
                Column("masked_device_ids", NpgsqlDbType.Text, logins, login => login.Masked!.DeviceId),
                Column("locales", NpgsqlDbType.Text, logins, login => login.Login!.Locale),
                Column("app_versions", NpgsqlDbType.Integer, logins, login => login.Login!.AppVersion),
                new NpgsqlParameter<bool>("is_rotating", keys.NextKeyId is not null),
                Column("shadow_ips", NpgsqlDbType.Text, logins, login => login.Shadow?.Ip),
                Column("shadow_device_ids", NpgsqlDbType.Text, logins, login => login.Shadow?.DeviceId),
                Column("rejected_ids", NpgsqlDbType.Uuid, rejections, rejection => rejection.MessageId),
                Column("rejected_sent_ats", NpgsqlDbType.TimestampTz, rejections, rejection => rejection.SentAt?.UtcDateTime),
                Column("reasons", NpgsqlDbType.Text, rejections, rejection => rejection.Rejection!.Reason),
                Column("sealed_payloads", NpgsqlDbType.Bytea, rejections, rejection => rejection.SealedPayload),
                Column("user_fingerprints", NpgsqlDbType.Bytea, rejections, rejection => rejection.UserFingerprints),
                Column("fingerprint_key_ids", NpgsqlDbType.Bigint, rejections, rejection => (long?)rejection.FingerprintKeyId),
                new NpgsqlParameter<int>("copied", copied),
                new NpgsqlParameter<int>("erased", erased.Messages.Count),
                new NpgsqlParameter<int>("erased_again", erased.Again),
                new NpgsqlParameter<string>("source", source is LoginSource.Live ? "live" : "replay"),
            },
        };
    }

    private static NpgsqlParameter<T[]> Column<T>(string name, NpgsqlDbType type, PendingMessage[] messages, Func<PendingMessage, T> value) =>
        new(name, NpgsqlDbType.Array | type) { TypedValue = Array.ConvertAll(messages, message => value(message)) };

    /// <summary>
    /// Whether the error condemns a row for good. Everything else is the database's state and passes; also 23514 without a constraint's name,
    /// which means that no partition takes the row.
    /// </summary>
    private static bool RefusesARow(PostgresException e) =>
        e.SqlState.StartsWith("22", StringComparison.Ordinal)
        || e.SqlState is PostgresErrorCodes.NotNullViolation or PostgresErrorCodes.UniqueViolation
        || (e.SqlState is PostgresErrorCodes.CheckViolation && !string.IsNullOrEmpty(e.ConstraintName));

    /// <summary>Whether another transaction was in the way, which is over by now.</summary>
    private static bool IsRivalry(PostgresException e) =>
        e.SqlState is PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.SerializationFailure;
}
