using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;
using Npgsql;
using NpgsqlTypes;
using PiiMasking.MaskingService.Audit;
using PiiMasking.MaskingService.Logins;
using PiiMasking.MaskingService.Storage;
using PiiMasking.Tink;

namespace PiiMasking.MaskingService.Erasure;

/// <summary>Messages of a transaction that are of erased users and must not be stored.</summary>
/// <param name="Messages">Those messages.</param>
/// <param name="Again">How many of them were accounted for in the ledger before.</param>
internal sealed record ErasedMessages(IReadOnlySet<PendingMessage> Messages, int Again)
{
    public static ErasedMessages None { get; } = new(new HashSet<PendingMessage>(), 0);
}

/// <summary>There are fingerprints of erased users and no key to compare them with. The message says what to do.</summary>
internal sealed class ErasureGateClosedException(string message) : Exception(message);

/// <summary>
/// Keeps out what erased users had sent before they were erased. Asked by every transaction that stores messages, under the writers'
/// shared lock: an erasure that took the lock before is seen, and one that takes it later finds what was stored.
/// </summary>
internal sealed class ErasureGate(IntegrityKeys integrity, NpgsqlDataSource database, IOptions<ErasureOptions> options) : IHealthCheck
{
    // Clocks of producers and brokers differ by less; a time further ahead is none.
    private static readonly TimeSpan LargestClockError = TimeSpan.FromHours(1);

    /// <summary>Yields the keys under which users were erased; for a transaction, once it holds the writers' lock.</summary>
    public static readonly string ReadKeys = Sql.Load("read_erasure_keys.sql");

    private static readonly string MatchErasures = Sql.Load("match_erasures.sql");
    private static readonly string ReadKnownMessages = Sql.Load("read_known_messages.sql");
    private static readonly string NoteAtGate = Sql.Load("note_at_gate.sql");

    private readonly record struct Match(Guid ErasureId, DateTimeOffset ErasedAt, bool IsPending);

    /// <summary>
    /// Finds the messages that must not be stored, and notes them and those that an erasure under way must leave alone. Makes the
    /// fingerprints of rejections on the way.
    /// </summary>
    /// <param name="connection">In the transaction that stores the messages, which holds the writers' lock.</param>
    /// <param name="messages">What it is about to store.</param>
    /// <param name="keyIds">What <see cref="ReadKeys"/> yielded in it.</param>
    /// <param name="stopping">Gives up.</param>
    /// <exception cref="ErasureGateClosedException">There are erasures, and the keys that they were made with are not there.</exception>
    public async Task<ErasedMessages> FindErasedAsync(
        NpgsqlConnection connection, IReadOnlyCollection<PendingMessage> messages, List<uint> keyIds, CancellationToken stopping)
    {
        var mac = integrity.Current;
        SetFingerprints(messages, mac);

        if (keyIds.Count == 0)
            return ErasedMessages.None;
        if (FindFault(keyIds, mac) is { } fault)
            throw new ErasureGateClosedException(fault);

        var ofUsers = messages.SelectMany(UserIdsOf).Distinct().ToDictionary(
            userId => userId, userId => keyIds.ConvertAll(keyId => Fingerprints.OfUser(mac!, keyId, userId)));
        var erasures = await MatchAsync(connection, ofUsers, stopping);
        return erasures.Count == 0 ? ErasedMessages.None : await DecideAsync(connection, messages, erasures, stopping);
    }

    /// <summary>Whether a message is from before an erasure.</summary>
    /// <remarks>
    /// A message without a usable time may be from before as long as brokers keep messages; it is kept out for that long.
    /// </remarks>
    public bool IsFromBefore(DateTimeOffset? sentAt, DateTimeOffset arrivedAt, DateTimeOffset erasedAt) =>
        sentAt is { } sent && sent <= arrivedAt + LargestClockError
            ? sent <= erasedAt
            : arrivedAt <= erasedAt + options.Value.BrokersKeepMessagesFor;

    /// <inheritdoc />
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        try
        {
            await using var connection = await database.OpenConnectionAsync(cancellationToken);
            await using var command = new NpgsqlCommand(ReadKeys, connection);
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            return FindFault(await ReadKeysAsync(reader, cancellationToken), integrity.Current) is { } fault
                ? HealthCheckResult.Unhealthy(fault)
                : HealthCheckResult.Healthy();
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException)
        {
            return HealthCheckResult.Unhealthy(DatabaseProblem.Describe(e));
        }
    }

    /// <summary>So that a message in quarantine can be found without opening it.</summary>
    private static void SetFingerprints(IEnumerable<PendingMessage> messages, Mac? mac)
    {
        if (mac is null)
            return;
        foreach (var message in messages)
        {
            if (message.Rejection?.UserIds is not { } userIds)
                continue;
            message.UserFingerprints = [.. userIds.SelectMany(userId => Fingerprints.OfUser(mac, mac.PrimaryKeyId, userId))];
            message.FingerprintKeyId = mac.PrimaryKeyId;
        }
    }

    private static IEnumerable<string> UserIdsOf(PendingMessage message) =>
        message.Login is { } login ? [login.UserId] : message.Rejection?.UserIds ?? [];

    private static string? FindFault(List<uint> keyIds, Mac? mac) =>
        keyIds.Count == 0 ? null
        : mac is null
        ? "users were erased, and without the integrity keyset it cannot be told what must not be stored again. Load it."
        : keyIds.Where(keyId => !mac.KeyIds.Contains(keyId)).ToArray() is { Length: > 0 } missing
        ? $"users were erased under key {string.Join(" and ", missing)} of the integrity keyset, which is not enabled. Enable it."
        : null;

    /// <summary>Reads what <see cref="ReadKeys"/> yields.</summary>
    public static async Task<List<uint>> ReadKeysAsync(NpgsqlDataReader reader, CancellationToken stopping)
    {
        var keyIds = new List<uint>();
        while (await reader.ReadAsync(stopping))
            keyIds.Add(checked((uint)reader.GetInt64(0)));
        return keyIds;
    }

    private static async Task<Dictionary<string, List<Match>>> MatchAsync(
        NpgsqlConnection connection, Dictionary<string, List<byte[]>> ofUsers, CancellationToken stopping)
    {
        await using var command = new NpgsqlCommand(MatchErasures, connection);
        command.Parameters.Add(new NpgsqlParameter<byte[][]>("fingerprints", [.. ofUsers.Values.SelectMany(each => each)]));
        var matches = new List<(byte[] Fingerprint, Match Match)>();
        await using (var reader = await command.ExecuteReaderAsync(stopping))
        {
            while (await reader.ReadAsync(stopping))
            {
                matches.Add((
                    reader.GetFieldValue<byte[]>(0),
                    new Match(reader.GetGuid(1), reader.GetFieldValue<DateTimeOffset>(2), reader.GetBoolean(3))));
            }
        }

        var found = new Dictionary<string, List<Match>>();
        if (matches.Count == 0)
            return found;
        var byFingerprint = matches.ToLookup(each => Convert.ToHexString(each.Fingerprint), each => each.Match);
        foreach (var (userId, fingerprints) in ofUsers)
        {
            if (fingerprints.SelectMany(fingerprint => byFingerprint[Convert.ToHexString(fingerprint)]).ToList() is { Count: > 0 } own)
                found.Add(userId, own);
        }

        return found;
    }

    private async Task<ErasedMessages> DecideAsync(
        NpgsqlConnection connection, IEnumerable<PendingMessage> messages, Dictionary<string, List<Match>> erasures,
        CancellationToken stopping)
    {
        var concerned = messages
            .Select(message => (
                Message: message, Erasures: UserIdsOf(message).SelectMany(userId => erasures.GetValueOrDefault(userId, [])).ToList()))
            .Where(each => each.Erasures.Count > 0)
            .ToList();
        var (known, gone) = await ReadKnownAsync(connection, concerned.ConvertAll(each => each.Message), stopping);

        var erased = new HashSet<PendingMessage>();
        var noted = new List<(Guid Id, DateTimeOffset ErasedAt)>();
        var spared = new List<(Guid ErasureId, Guid Id)>();
        var again = 0;
        foreach (var (message, own) in concerned)
        {
            if (gone.Contains(message.MessageId) || own.Exists(each => IsFromBefore(message.SentAt, message.ArrivedAt, each.ErasedAt)))
            {
                erased.Add(message);
                again += known.Add(message.MessageId) ? 0 : 1;
                noted.Add((message.MessageId, own.Max(each => each.ErasedAt)));
            }
            else
            {
                spared.AddRange(own.Where(each => each.IsPending).Select(each => (each.ErasureId, message.MessageId)));
            }
        }

        if (noted.Count > 0 || spared.Count > 0)
            await NoteAsync(connection, noted, spared, stopping);
        return new ErasedMessages(erased, again);
    }

    private static async Task<(HashSet<Guid> Known, HashSet<Guid> Gone)> ReadKnownAsync(
        NpgsqlConnection connection, List<PendingMessage> messages, CancellationToken stopping)
    {
        await using var command = new NpgsqlCommand(ReadKnownMessages, connection);
        command.Parameters.Add(new NpgsqlParameter<Guid[]>("message_ids", [.. messages.Select(message => message.MessageId)]));
        command.Parameters.Add(new NpgsqlParameter<DateOnly[]>("create_dates", [.. messages.Select(message => message.CreateDate)]));
        await using var reader = await command.ExecuteReaderAsync(stopping);
        var (known, gone) = (new HashSet<Guid>(), new HashSet<Guid>());
        while (await reader.ReadAsync(stopping))
        {
            known.Add(reader.GetGuid(0));
            if (reader.GetBoolean(1))
                gone.Add(reader.GetGuid(0));
        }

        return (known, gone);
    }

    private static async Task NoteAsync(
        NpgsqlConnection connection, List<(Guid Id, DateTimeOffset ErasedAt)> erased, List<(Guid ErasureId, Guid Id)> spared,
        CancellationToken stopping)
    {
        await using var command = new NpgsqlCommand(NoteAtGate, connection)
        {
            Parameters =
            {
                new NpgsqlParameter<Guid[]>("erased_ids", [.. erased.Select(each => each.Id)]),
                new NpgsqlParameter<DateTime[]>("erased_ats", NpgsqlDbType.Array | NpgsqlDbType.TimestampTz)
                {
                    TypedValue = [.. erased.Select(each => each.ErasedAt.UtcDateTime)],
                },
                new NpgsqlParameter<Guid[]>("erasure_ids", [.. spared.Select(each => each.ErasureId)]),
                new NpgsqlParameter<Guid[]>("spared_ids", [.. spared.Select(each => each.Id)]),
            },
        };
        await command.ExecuteNonQueryAsync(stopping);
    }
}
