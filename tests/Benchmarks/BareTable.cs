using System.Text;
using Npgsql;
using NpgsqlTypes;
using PiiMasking.AppHost;
using PiiMasking.Contracts;
using PiiMasking.MaskingService.Masking;
using PiiMasking.Tink;

namespace PiiMasking.Benchmarks;

/// <summary>A login as its row has it.</summary>
internal sealed record MaskedRow(LoginMessage Message, string MaskedIp, string MaskedDeviceId);

/// <summary>The table <c>user_logins</c>, with its indexes, written to by its owner without any service.</summary>
internal sealed class BareTable : IAsyncDisposable
{
    private readonly NpgsqlDataSource owner;
    private readonly Keyset keyset;
    private readonly DeterministicAead aead;
    private readonly FieldCipher ip;
    private readonly FieldCipher deviceId;

    public BareTable(LocalSystem system)
    {
        owner = NpgsqlDataSource.Create(system.Database.OwnerConnectionString);
        keyset = Keyset.Parse(Encoding.UTF8.GetBytes(system.Secrets[Secrets.MaskingKeyset]));
        aead = new DeterministicAead(keyset);
        ip = aead.ForField(FieldMask.Ip);
        deviceId = aead.ForField(FieldMask.DeviceId);
    }

    public NpgsqlDataSource Owner => owner;

    /// <summary>Masks a login under the table's keyset.</summary>
    public MaskedRow Mask(LoginMessage message) => new(
        message,
        FieldMask.MaskIp(ip, keyset.PrimaryKeyId, message.Login!.Ip),
        FieldMask.MaskDeviceId(deviceId, keyset.PrimaryKeyId, message.Login.DeviceId));

    /// <summary>Copies rows in, a transaction each so many.</summary>
    /// <param name="rows">Masked already.</param>
    /// <param name="rowsPerCommit">As many as a writer of the service puts into one transaction at most.</param>
    /// <param name="writers">Connections that copy at the same time.</param>
    /// <param name="stopping">Ends it.</param>
    public async Task CopyAsync(MaskedRow[] rows, int rowsPerCommit, int writers, CancellationToken stopping)
    {
        var options = new ParallelOptions { MaxDegreeOfParallelism = writers, CancellationToken = stopping };
        await Parallel.ForEachAsync(rows.Chunk(rowsPerCommit), options, async (part, cancelled) => await CopyAsync(part, cancelled));
    }

    public async Task<long> CountAsync(CancellationToken stopping)
    {
        await using var command = owner.CreateCommand("SELECT count(*) FROM user_logins");
        return (long)(await command.ExecuteScalarAsync(stopping))!;
    }

    /// <summary>
    /// Adds generated rows, with tokens as long and as random as real ones, to this month or to so many months back. Each month's are put into a
    /// table of their own, indexed, and attached as its partition, in place of the one that was there.
    /// </summary>
    public async Task AddGeneratedAsync(int count, int months, CancellationToken stopping)
    {
        var thisMonth = TimeProvider.System.GetUtcNow().UtcDateTime.Date.AddDays(1 - TimeProvider.System.GetUtcNow().Day);
        for (var back = 0; back < months; back++)
        {
            var month = thisMonth.AddMonths(-back);
            var name = $"user_logins_{month:yyyy_MM}";
            var next = month.AddMonths(1);
            await using var add = owner.CreateCommand($"""
                CREATE TABLE grown (LIKE user_logins INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
                DO $$ BEGIN
                    IF to_regclass('{name}') IS NOT NULL THEN
                        INSERT INTO grown SELECT * FROM {name};
                        ALTER TABLE user_logins DETACH PARTITION {name};
                        DROP TABLE {name};
                    END IF;
                END $$;
                INSERT INTO grown (user_id, device_type, masked_ip, masked_device_id, locale, app_version, create_date, message_id)
                SELECT gen_random_uuid()::text, 'android',
                    'ATGdT2' || left(encode(sha256(gen_random_uuid()::text::bytea), 'base64'), 42),
                    'ATGdT2' || left(encode(sha256(gen_random_uuid()::text::bytea), 'base64'), 38),
                    'RU', 2003000, date '{month:yyyy-MM-dd}' + number % 28, gen_random_uuid()
                FROM generate_series(1, {count / months}) AS number;
                ALTER TABLE grown RENAME TO {name};
                ALTER TABLE user_logins ATTACH PARTITION {name} FOR VALUES FROM ('{month:yyyy-MM-dd}') TO ('{next:yyyy-MM-dd}');
                """);
            add.CommandTimeout = 0;
            await add.ExecuteNonQueryAsync(stopping);
        }

        await using var settle = owner.CreateCommand("VACUUM ANALYZE user_logins");
        settle.CommandTimeout = 0;
        await settle.ExecuteNonQueryAsync(stopping);
        await using var write = owner.CreateCommand("CHECKPOINT");
        write.CommandTimeout = 0;
        await write.ExecuteNonQueryAsync(stopping);
    }

    /// <summary>Takes everything out of the table, so that whatever is measured next starts from the same.</summary>
    public async Task EmptyAsync(CancellationToken stopping)
    {
        await using var command = owner.CreateCommand("TRUNCATE user_logins");
        await command.ExecuteNonQueryAsync(stopping);
    }

    public async ValueTask DisposeAsync()
    {
        await owner.DisposeAsync();
        aead.Dispose();
        keyset.Dispose();
    }

    private async Task CopyAsync(MaskedRow[] rows, CancellationToken stopping)
    {
        await using var connection = await owner.OpenConnectionAsync(stopping);
        await using var copy = await connection.BeginBinaryImportAsync(
            "COPY user_logins (create_date, message_id, user_id, device_type, masked_ip, masked_device_id, locale, app_version) FROM STDIN (FORMAT binary)",
            stopping);
        foreach (var (message, maskedIp, maskedDeviceId) in rows)
        {
            var login = message.Login!;
            await copy.StartRowAsync(stopping);
            await copy.WriteAsync(DateOnly.FromDateTime(message.SentAt!.Value.UtcDateTime), NpgsqlDbType.Date, stopping);
            await copy.WriteAsync(message.MessageId, NpgsqlDbType.Uuid, stopping);
            await copy.WriteAsync(login.UserId, NpgsqlDbType.Varchar, stopping);
            await copy.WriteAsync(login.DeviceType, NpgsqlDbType.Varchar, stopping);
            await copy.WriteAsync(maskedIp, NpgsqlDbType.Varchar, stopping);
            await copy.WriteAsync(maskedDeviceId, NpgsqlDbType.Varchar, stopping);
            await copy.WriteAsync(login.Locale, NpgsqlDbType.Varchar, stopping);
            await copy.WriteAsync(login.AppVersion!.Value, NpgsqlDbType.Integer, stopping);
        }

        await copy.CompleteAsync(stopping);
    }
}
