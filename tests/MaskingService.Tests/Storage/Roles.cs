using Npgsql;

namespace PiiMasking.MaskingService.Tests.Storage;

public sealed class Roles(MigratedDatabases databases)
{
    [Theory]
    [InlineData("pii_writer", "DELETE FROM user_logins")]
    [InlineData("pii_writer", "UPDATE user_logins SET user_id = 'x'")]
    [InlineData("pii_writer", "SELECT masked_ip FROM user_logins")]
    [InlineData("pii_writer", "SELECT sealed_payload FROM quarantine")]
    [InlineData("pii_writer", "DELETE FROM quarantine")]
    [InlineData("pii_writer", "DELETE FROM ledger")]
    [InlineData("pii_writer", "UPDATE key_generation SET key_id = 1")]
    [InlineData("pii_writer", "SELECT 1 FROM audit")]
    [InlineData("pii_writer", "SELECT begin_audit('x')")]
    [InlineData("pii_writer", "UPDATE quarantine_changes SET messages = 0")]
    [InlineData("pii_people", "UPDATE quarantine_changes SET messages = 0")]
    [InlineData("pii_people", "TRUNCATE quarantine")]
    [InlineData("pii_people", "INSERT INTO audit SELECT * FROM audit")]
    [InlineData("pii_people", "UPDATE audit SET reason = 'x'")]
    [InlineData("pii_people", "DELETE FROM audit")]
    [InlineData("pii_people", "TRUNCATE audit")]
    [InlineData("pii_people", "UPDATE audit_head SET number = 0")]
    [InlineData("pii_people", "DELETE FROM audit_head")]
    [InlineData("pii_people", "ALTER TABLE audit DISABLE TRIGGER ALL")]
    [InlineData("pii_people", "DELETE FROM ledger")]
    [InlineData("pii_people", "DELETE FROM user_logins")]
    [InlineData("pii_people", "UPDATE user_logins SET user_id = 'x'")]
    [InlineData("pii_people", "UPDATE quarantine SET sealed_payload = ''")]
    [InlineData("pii_people", "UPDATE key_generation SET key_id = 1")]
    [InlineData("pii_writer", "SELECT 1 FROM duplicate_ips")]
    [InlineData("pii_writer", "SELECT 1 FROM duplicate_groups")]
    [InlineData("pii_auditor", "SELECT begin_audit('x')")]
    [InlineData("pii_auditor", "DELETE FROM audit")]
    [InlineData("pii_analyst", "SELECT 1 FROM audit")]
    [InlineData("pii_writer", "SELECT user_id FROM erasures")]
    [InlineData("pii_writer", "INSERT INTO erasures SELECT * FROM erasures")]
    [InlineData("pii_writer", "SELECT erase_logins(NULL, NULL, NULL)")]
    [InlineData("pii_writer", "SELECT drop_old_login_partition('2000-01-01')")]
    [InlineData("pii_people", "DELETE FROM erasures")]
    [InlineData("pii_people", "UPDATE erasures SET erased_at = now()")]
    [InlineData("pii_people", "DELETE FROM erased_messages")]
    [InlineData("pii_people", "SELECT drop_old_login_partition('2000-01-01')")]
    [InlineData("pii_people", "SELECT cut_audit(1, '', '')")]
    [InlineData("pii_people", "SELECT forget_old_erasures(now(), 1)")]
    [InlineData("pii_steward", "DELETE FROM audit")]
    [InlineData("pii_steward", "UPDATE audit_checkpoint SET number = 1")]
    [InlineData("pii_analyst", "SELECT 1 FROM erasures")]
    [InlineData("pii_writer", "SELECT swap_login_shadows()")]
    [InlineData("pii_writer", "UPDATE rotations SET phase = 'settling'")]
    [InlineData("pii_writer", "SELECT masked_ip FROM user_logins_shadow")]
    [InlineData("pii_people", "SELECT abandon_rotation()")]
    [InlineData("pii_analyst", "SELECT 1 FROM user_logins_shadow")]
    [InlineData("pii_rotator", "DELETE FROM user_logins")]
    [InlineData("pii_rotator", "INSERT INTO user_logins (user_id) VALUES ('x')")]
    [InlineData("pii_rotator", "UPDATE key_generation SET key_id = 1")]
    [InlineData("pii_rotator", "DROP TABLE user_logins_shadow")]
    [InlineData("pii_rotator", "SELECT reason FROM audit")]
    [InlineData("pii_rotator", "SELECT user_id FROM erasures")]
    [InlineData("pii_writer", "DROP TABLE user_logins")]
    [InlineData("pii_writer", "CREATE TABLE mine (id int)")]
    [InlineData("pii_steward", "INSERT INTO user_logins (user_id) VALUES ('x')")]
    [InlineData("pii_steward", "DELETE FROM ledger")]
    [InlineData("pii_steward", "DROP TABLE user_logins_default")]
    [InlineData("pii_auditor", "SELECT masked_ip FROM user_logins")]
    [InlineData("pii_auditor", "SELECT 1 FROM quarantine")]
    [InlineData("pii_auditor", "DELETE FROM ledger")]
    [InlineData("pii_analyst", "SELECT 1 FROM quarantine")]
    [InlineData("pii_analyst", "SELECT 1 FROM key_canaries")]
    [InlineData("pii_analyst", "DELETE FROM user_logins")]
    [InlineData("pii_analyst", "SELECT ensure_login_partitions(2)")]
    public async Task What_a_role_is_not_for_is_denied(string role, string statement)
    {
        var failure = await Assert.ThrowsAsync<PostgresException>(() => RunAsync(role, statement));

        Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, failure.SqlState);
    }

    [Theory]
    [InlineData("pii_rotator", "SELECT match_login_shadows()")]
    [InlineData("pii_steward", "DELETE FROM user_logins WHERE create_date < '2000-01-01'")]
    [InlineData("pii_steward", "DELETE FROM quarantine WHERE message_id IS NULL")]
    [InlineData("pii_auditor", "SELECT * FROM ledger_totals")]
    [InlineData("pii_auditor", "SELECT * FROM audit, audit_head")]
    [InlineData("pii_analyst", "SELECT masked_ip, count(*) FROM user_logins GROUP BY 1 HAVING count(*) > 1")]
    [InlineData("pii_analyst", "SELECT * FROM duplicate_ips, duplicate_device_ids")]
    [InlineData("pii_writer", "SELECT ensure_login_partitions(2)")]
    [InlineData("pii_steward", "SELECT drop_old_login_partition('2000-01-01'), delete_old_odd_logins('2000-01-01', 1)")]
    public async Task What_a_role_is_for_works(string role, string statement) => await RunAsync(role, statement);

    private async Task RunAsync(string role, string statement)
    {
        await using var database = await databases.CreateAsync();
        await database.ExecuteAsync($"SET ROLE {role}; {statement}");
    }
}
