using Npgsql;
using PiiMasking.MaskingService.Storage;
using PiiMasking.Testing;

namespace PiiMasking.MaskingService.Tests.Storage;

public sealed class Migrating(MigratedDatabases databases)
{
    [Fact]
    public async Task An_empty_database_gets_every_migration_once()
    {
        await using var database = await databases.Postgres.CreateDatabaseAsync();

        Assert.Equal(Sql.Migrations, await ApplyAsync(database));
        Assert.Empty(await ApplyAsync(database));

        Assert.True(await database.ScalarAsync<bool>("SELECT to_regclass('user_logins') IS NOT NULL"));
    }

    [Fact]
    public async Task Two_migrations_at_once_do_the_work_once()
    {
        await using var database = await databases.Postgres.CreateDatabaseAsync();

        var applied = await Task.WhenAll(ApplyAsync(database), ApplyAsync(database), ApplyAsync(database));

        Assert.Equal(Sql.Migrations.Count, applied.Sum(each => each.Count));
    }

    [Fact]
    public async Task A_database_of_a_later_version_is_left_alone()
    {
        await using var database = await databases.CreateAsync();
        await database.ExecuteAsync("INSERT INTO schema_migrations VALUES ('9999_later.sql', '')");

        var refusal = await Assert.ThrowsAsync<MigrationException>(() => ApplyAsync(database));

        Assert.Contains("9999_later.sql", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_migration_that_was_edited_after_it_landed_is_refused()
    {
        await using var database = await databases.CreateAsync();
        await database.ExecuteAsync("UPDATE schema_migrations SET checksum = 'other' WHERE name = '0002_quarantine.sql'");

        var refusal = await Assert.ThrowsAsync<MigrationException>(() => ApplyAsync(database));

        Assert.Contains("0002_quarantine.sql", refusal.Message, StringComparison.Ordinal);
    }

    private static async Task<IReadOnlyList<string>> ApplyAsync(TestDatabase database)
    {
        await using var connection = await database.OpenAsync();
        return await Migrator.ApplyAsync(connection, CancellationToken.None);
    }
}
