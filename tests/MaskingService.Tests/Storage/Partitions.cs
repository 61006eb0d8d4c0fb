using Npgsql;
using PiiMasking.Testing;

namespace PiiMasking.MaskingService.Tests.Storage;

public sealed class Partitions(MigratedDatabases databases)
{
    private const string InsertInTwoYears = """
        INSERT INTO user_logins (user_id, masked_ip, masked_device_id, create_date, message_id)
        VALUES ('u', repeat('x', 48), repeat('x', 48), (now() + interval '2 years')::date, gen_random_uuid())
        """;

    [Fact]
    public async Task There_is_one_for_last_month_for_this_one_and_for_the_next_two()
    {
        await using var database = await databases.CreateAsync();

        Assert.Equal(
            5,  // and the default one
            await database.ScalarAsync<long>("SELECT count(*) FROM pg_inherits WHERE inhparent = 'user_logins'::regclass"));
        Assert.Equal(0, await database.ScalarAsync<int>("SELECT ensure_login_partitions(2)"));
    }

    [Fact]
    public async Task Rows_that_the_default_partition_took_move_into_the_partition_of_their_month()
    {
        await using var database = await databases.CreateAsync();
        await database.ExecuteAsync(InsertInTwoYears);
        Assert.Equal(1, await database.ScalarAsync<long>("SELECT count(*) FROM user_logins_default"));

        await database.ExecuteAsync("SELECT ensure_login_partitions(24)");

        Assert.Equal(0, await database.ScalarAsync<long>("SELECT count(*) FROM user_logins_default"));
        Assert.Equal(1, await database.ScalarAsync<long>("SELECT count(*) FROM user_logins"));
    }

    [Fact]
    public async Task Making_one_neither_waits_for_nor_stops_a_transaction_that_writes()
    {
        await using var database = await databases.CreateAsync();
        await using var writing = await database.OpenAsync();
        await using var transaction = await writing.BeginTransactionAsync();
        await using var insert = new NpgsqlCommand(
            "INSERT INTO user_logins (user_id, masked_ip, masked_device_id, create_date, message_id) "
            + "VALUES ('u', repeat('x', 48), repeat('x', 48), current_date, gen_random_uuid())",
            writing);
        await insert.ExecuteNonQueryAsync();

        Assert.Equal(1, await database.ScalarAsync<int>("SELECT ensure_login_partitions(3)"));

        await insert.ExecuteNonQueryAsync();
        await transaction.CommitAsync();
        Assert.Equal(2, await database.ScalarAsync<long>("SELECT count(*) FROM user_logins"));
    }

    [Fact]
    public async Task Behind_a_long_reader_it_gives_up_instead_of_stopping_ingest()
    {
        await using var database = await databases.CreateAsync();
        await using var reading = await database.OpenAsync();
        await using var transaction = await reading.BeginTransactionAsync();
        await using var select = new NpgsqlCommand("SELECT count(*) FROM user_logins", reading);
        await select.ExecuteScalarAsync();

        var failure = await Assert.ThrowsAsync<PostgresException>(() => database.ScalarAsync<int>("SELECT ensure_login_partitions(3)"));

        Assert.Equal(PostgresErrorCodes.LockNotAvailable, failure.SqlState);
    }
}
