using Npgsql;
using PiiMasking.MaskingService.Storage;
using PiiMasking.Testing;

namespace PiiMasking.MaskingService.Tests.Rotation;

/// <summary>A replica that was held up in the middle of a rotation, while another one or a person came to its end.</summary>
public sealed class ComingLate(MigratedDatabases databases)
{
    private const string Partitions = "SELECT count(*) FROM login_partitions('user_logins_shadow')";

    [Theory]
    [InlineData("SELECT abandon_rotation()")]
    [InlineData("SELECT swap_login_shadows(); SELECT end_rotation()")]
    public async Task It_makes_no_shadow_of_a_rotation_that_has_ended(string end)
    {
        await using var database = await databases.CreateAsync();
        await database.ExecuteAsync(
            """
            INSERT INTO key_generation (key_id) VALUES (1);
            INSERT INTO replicas VALUES (gen_random_uuid(), now(), 2, '{1, 2}', 3, '{3}', NULL, '{}')
            """);
        await MatchAsync(database);
        await database.ExecuteAsync("SELECT begin_rotation(2, '', '1 hour'); UPDATE rotations SET phase = 'settling'");
        Assert.NotEqual(0, await database.ScalarAsync<long>(Partitions));

        await using var ending = await database.OpenAsync();
        await using var transaction = await ending.BeginTransactionAsync();
        await using (var command = new NpgsqlCommand($"SELECT pg_advisory_xact_lock(rotation_lock()); {end}", ending))
            await command.ExecuteNonQueryAsync();
        var late = MatchAsync(database);
        await database.SomebodyWaitsForAnAdvisoryLockAsync();
        await transaction.CommitAsync();
        await late;

        Assert.Equal(0, await database.ScalarAsync<long>(Partitions));
    }

    private static async Task MatchAsync(TestDatabase database)
    {
        await using var connection = await database.OpenAsync();
        await using var command = new NpgsqlCommand(Sql.Load("match_shadows.sql"), connection);
        command.Parameters.AddWithValue("to_key_id", 2L);
        command.Parameters.AddWithValue("replica_gone_after", TimeSpan.FromHours(1));
        await command.ExecuteNonQueryAsync();
    }
}
