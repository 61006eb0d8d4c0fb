using System.Data;
using Npgsql;
using PiiMasking.Testing;

namespace PiiMasking.MaskingService.Tests.Rotation;

/// <summary>What is deleted stays deleted, whatever copies it meanwhile. The copy is done by hand here, so that it can be held still.</summary>
public sealed class Deleting(MigratedDatabases databases)
{
    private const string Columns = "(user_id, masked_ip, masked_device_id, create_date, message_id)";
    private const string Row = "('u', repeat('x', 48), repeat('x', 48), '2026-11-22', '00000000-0000-0000-0000-000000000001')";
    private const string Copy =
        "SELECT pg_advisory_xact_lock(login_copy_lock()); INSERT INTO user_logins_shadow SELECT * FROM user_logins ON CONFLICT DO NOTHING";

    [Fact]
    public async Task A_login_that_is_deleted_leaves_the_shadow_in_the_same_transaction()
    {
        await using var database = await CreateAsync();
        await database.ExecuteAsync(Copy);

        await database.ExecuteAsync("BEGIN; SET LOCAL ROLE pii_steward; DELETE FROM user_logins WHERE user_id = 'u'; ROLLBACK");
        Assert.Equal(1, await ShadowAsync(database));

        await database.ExecuteAsync("SET ROLE pii_steward; DELETE FROM user_logins WHERE user_id = 'u'");
        Assert.Equal(0, await ShadowAsync(database));
    }

    [Fact]
    public async Task A_copy_that_has_read_the_row_before_the_deletion_does_not_bring_it_back()
    {
        await using var database = await CreateAsync();
        await using var copying = await database.OpenAsync();
        await using var transaction = await copying.BeginTransactionAsync();
        await ExecuteAsync(copying, Copy);

        var deletion = database.ExecuteAsync("DELETE FROM user_logins");
        await database.SomebodyWaitsForAnAdvisoryLockAsync();
        await transaction.CommitAsync();
        await deletion;

        Assert.Equal(0, await ShadowAsync(database));
    }

    [Fact]
    public async Task A_copy_that_begins_during_the_deletion_waits_for_it()
    {
        await using var database = await CreateAsync();
        await using var deleting = await database.OpenAsync();
        await using var transaction = await deleting.BeginTransactionAsync();
        await ExecuteAsync(deleting, "DELETE FROM user_logins");

        var copy = database.ExecuteAsync(Copy);
        await database.SomebodyWaitsForAnAdvisoryLockAsync();
        await transaction.CommitAsync();
        await copy;

        Assert.Equal(0, await ShadowAsync(database));
    }

    [Fact]
    public async Task A_transaction_that_would_not_see_the_copy_may_not_delete()
    {
        await using var database = await CreateAsync();
        await using var deleting = await database.OpenAsync();
        await using var transaction = await deleting.BeginTransactionAsync(IsolationLevel.RepeatableRead);

        var refusal = await Assert.ThrowsAsync<PostgresException>(() => ExecuteAsync(deleting, "DELETE FROM user_logins"));

        Assert.Equal(PostgresErrorCodes.FeatureNotSupported, refusal.SqlState);
    }

    private async Task<TestDatabase> CreateAsync()
    {
        var database = await databases.CreateAsync();
        await database.ExecuteAsync(
            $"CREATE TABLE shadow_of_all PARTITION OF user_logins_shadow DEFAULT; INSERT INTO user_logins {Columns} VALUES {Row}");
        return database;
    }

    private static Task<long> ShadowAsync(TestDatabase database) => database.ScalarAsync<long>("SELECT count(*) FROM user_logins_shadow");

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
