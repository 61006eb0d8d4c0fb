using System.Text;
using Npgsql;
using PiiMasking.AppHost;
using PiiMasking.Tink;

namespace PiiMasking.EndToEnd.Tests.Storm;

/// <summary>What the ledger, the tables and the component had counted at some moment.</summary>
internal sealed record Counts(long LedgerStored, long LedgerRepeated, long LedgerQuarantined, long LedgerAccounted, long Logins, long Quarantined, long? Deleted)
{
    public static Counts operator -(Counts later, Counts earlier) => new(
        later.LedgerStored - earlier.LedgerStored,
        later.LedgerRepeated - earlier.LedgerRepeated,
        later.LedgerQuarantined - earlier.LedgerQuarantined,
        later.LedgerAccounted - earlier.LedgerAccounted,
        later.Logins - earlier.Logins,
        later.Quarantined - earlier.Quarantined,
        later.Deleted - earlier.Deleted);
}

/// <summary>What became of all messages of a run.</summary>
/// <param name="Messages">Confirmed by the queue.</param>
/// <param name="Lost">Confirmed, and neither a row nor in quarantine.</param>
/// <param name="Twice">In the table more than once, or in the table and in quarantine.</param>
/// <param name="HalfWritten">A row or a sealed payload that does not hold what was sent, or a ledger that counts other rows than there are.</param>
/// <param name="Since">What the run has added.</param>
/// <param name="DeletedIsWhole">One process of the component counted all deletions; it begins at zero again when it is killed.</param>
internal sealed record Verdict(int Messages, int Lost, int Twice, int HalfWritten, Counts Since, bool DeletedIsWhole)
{
    /// <summary>Everything that was deleted from the queue is in the ledger, and nothing else, as far as the component can tell.</summary>
    public bool LedgerIsRight => !DeletedIsWhole || Since.Deleted == Since.LedgerAccounted;

    public bool IsGreen => Lost == 0 && Twice == 0 && HalfWritten == 0 && LedgerIsRight;

    public override string ToString() =>
        $"{Messages} messages; lost {Lost}, twice {Twice}, half-written {HalfWritten}; "
        + $"ledger {Since.LedgerAccounted} (repeated {Since.LedgerRepeated}), "
        + (DeletedIsWhole ? $"deleted {Since.Deleted}" : "deletions not known: the component was killed");
}

/// <summary>
/// Compares the sent list with the database and the counters. Knows nothing of how the system works, and asks none of its services
/// but for the component's count of deletions.
/// </summary>
internal sealed class Checker(string ownerConnectionString, Secrets secrets)
{
    /// <param name="deleted">The component's count.</param>
    /// <param name="stopping">Ends the query.</param>
    public async Task<Counts> CountAsync(long? deleted, CancellationToken stopping)
    {
        await using var connection = await OpenAsync(stopping);
        await using var command = new NpgsqlCommand("""
            SELECT stored, repeated, quarantined, accounted, (SELECT count(*) FROM user_logins), (SELECT count(*) FROM quarantine)
            FROM ledger_totals
            """, connection);
        await using var reader = await command.ExecuteReaderAsync(stopping);
        await reader.ReadAsync(stopping);
        return new Counts(
            reader.GetInt64(0), reader.GetInt64(1), reader.GetInt64(2), reader.GetInt64(3), reader.GetInt64(4), reader.GetInt64(5), deleted);
    }

    /// <param name="sent">What the run sent.</param>
    /// <param name="since">What it added to the counters.</param>
    /// <param name="deletedIsWhole">See <see cref="Verdict"/>.</param>
    /// <param name="stopping">Ends the check.</param>
    public async Task<Verdict> CheckAsync(SentList sent, Counts since, bool deletedIsWhole, CancellationToken stopping)
    {
        var confirmed = sent.Confirmed;
        var (rows, wrongRows) = await ReadLoginsAsync(sent, confirmed, stopping);
        var (sealedOnes, wrongSealed) = await ReadQuarantineAsync(sent, confirmed, stopping);

        var lost = confirmed.Keys.Count(id => !rows.ContainsKey(id) && !sealedOnes.Contains(id));
        var twice = rows.Count(row => row.Value > 1 || sealedOnes.Contains(row.Key));
        // A transaction writes rows and ledger together or not at all.
        var uncounted = Math.Abs(since.LedgerStored - since.Logins) + Math.Abs(since.LedgerQuarantined - since.Quarantined);
        return new Verdict(confirmed.Count, lost, twice, wrongRows + wrongSealed + (int)uncounted, since, deletedIsWhole);
    }

    /// <returns>When messages were accounted for once more.</returns>
    public async Task<IReadOnlyList<DateTimeOffset>> RepeatedAtAsync(DateTimeOffset since, CancellationToken stopping)
    {
        await using var connection = await OpenAsync(stopping);
        await using var command = new NpgsqlCommand(
            "SELECT committed_at FROM ledger WHERE repeated > 0 AND committed_at >= $1 ORDER BY entry_id", connection)
        {
            Parameters = { new NpgsqlParameter<DateTimeOffset> { TypedValue = since } },
        };
        await using var reader = await command.ExecuteReaderAsync(stopping);
        var moments = new List<DateTimeOffset>();
        while (await reader.ReadAsync(stopping))
            moments.Add(reader.GetFieldValue<DateTimeOffset>(0));
        return moments;
    }

    private async Task<(Dictionary<Guid, int> Rows, int Wrong)> ReadLoginsAsync(
        SentList sent, Dictionary<Guid, int> confirmed, CancellationToken stopping)
    {
        using var keyset = Keyset.Parse(Encoding.UTF8.GetBytes(secrets[Secrets.MaskingKeyset]));
        using var primitive = new DeterministicAead(keyset);
        var (addresses, devices) = (primitive.ForField("ip"), primitive.ForField("device_id"));

        await using var connection = await OpenAsync(stopping);
        await using var command = new NpgsqlCommand("""
            SELECT message_id, user_id, device_type, masked_ip, masked_device_id, locale, app_version
            FROM user_logins WHERE starts_with(user_id, $1)
            """, connection) { Parameters = { new() { Value = sent.Prefix } } };
        await using var reader = await command.ExecuteReaderAsync(stopping);
        var rows = new Dictionary<Guid, int>(confirmed.Count);
        var users = new Dictionary<string, Guid>(confirmed.Count, StringComparer.Ordinal);
        var wrong = 0;
        while (await reader.ReadAsync(stopping))
        {
            var (id, user) = (reader.GetGuid(0), reader.GetString(1));
            rows[id] = rows.GetValueOrDefault(id) + 1;
            var number = int.Parse(user[sent.Prefix.Length..], global::System.Globalization.CultureInfo.InvariantCulture);
            var stored = new StormLogin(
                user, Text(reader, 2) ?? "", Open(addresses, reader.GetString(3)), Open(devices, reader.GetString(4)), Text(reader, 5), reader.GetInt32(6));
            // The message has its own login, and no other message has it too.
            var isOwn = (!confirmed.TryGetValue(id, out var own) || own == number) && (users.TryAdd(user, id) || users[user] == id);
            if (!isOwn || stored != sent.Login(number))
                wrong++;
        }

        return (rows, wrong);
    }

    private async Task<(HashSet<Guid> Sealed, int Wrong)> ReadQuarantineAsync(
        SentList sent, Dictionary<Guid, int> confirmed, CancellationToken stopping)
    {
        using var keyset = Keyset.Parse(Encoding.UTF8.GetBytes(secrets[Secrets.QuarantineKeyset]));
        using var aead = new Aead(keyset);

        await using var connection = await OpenAsync(stopping);
        await using var command = new NpgsqlCommand(
            "SELECT message_id, sealed_payload FROM quarantine WHERE message_id = ANY ($1)", connection)
        {
            Parameters = { new NpgsqlParameter<Guid[]> { TypedValue = [.. confirmed.Keys] } },
        };
        await using var reader = await command.ExecuteReaderAsync(stopping);
        var found = new HashSet<Guid>();
        var wrong = 0;
        while (await reader.ReadAsync(stopping))
        {
            var id = reader.GetGuid(0);
            found.Add(id);
            var opens = aead.TryDecrypt(reader.GetFieldValue<byte[]>(1), Encoding.ASCII.GetBytes($"quarantine/{id:D}"), out var payload);
            var number = confirmed[id];
            if (!opens || !SentList.IsPoison(number) || Encoding.UTF8.GetString(payload!) != sent.Body(number))
                wrong++;
        }

        return (found, wrong);
    }

    private async Task<NpgsqlConnection> OpenAsync(CancellationToken stopping)
    {
        var settings = new NpgsqlConnectionStringBuilder(ownerConnectionString) { Pooling = false, CommandTimeout = 120 };
        var connection = new NpgsqlConnection(settings.ConnectionString);
        await connection.OpenAsync(stopping);
        return connection;
    }

    private static string? Text(NpgsqlDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetString(column);

    private static string Open(FieldCipher cipher, string token)
    {
        var value = new byte[token.Length];
        return cipher.TryDecryptBase64(token, value, out var length) ? Encoding.UTF8.GetString(value.AsSpan(0, length)).TrimEnd(' ') : "does not open";
    }
}
