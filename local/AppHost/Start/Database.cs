using Npgsql;
using PiiMasking.Backing;

namespace PiiMasking.AppHost;

/// <summary>The database <c>logins</c> on the local server: made, given its login roles, and asked what is in it.</summary>
internal sealed class Database : IAsyncDisposable
{
    public const string Name = "logins";
    public const string ServiceUser = "masking";
    public const string PeopleUser = "masking_people";
    public const string AnalystUser = "analyst";

    private readonly PostgresServer server;
    private readonly NpgsqlDataSource owner;

    public Database(PostgresServer server)
    {
        this.server = server;
        owner = NpgsqlDataSource.Create(OwnerConnectionString);
    }

    public string OwnerConnectionString => server.ConnectionString(Name);

    /// <summary>Without a password: the service takes it from the secret store.</summary>
    public string ServiceConnectionString => ConnectionStringOf(ServiceUser);

    /// <summary>What the service serves people with, without a password as well.</summary>
    public string PeopleConnectionString => ConnectionStringOf(PeopleUser);

    /// <summary>Makes it, empty, if it is not there.</summary>
    public async Task EnsureAsync(CancellationToken stopping)
    {
        await using var connection = new NpgsqlConnection(server.ConnectionString());
        await connection.OpenAsync(stopping);
        await using var find = new NpgsqlCommand("SELECT 1 FROM pg_database WHERE datname = $1", connection) { Parameters = { new() { Value = Name } } };
        if (await find.ExecuteScalarAsync(stopping) is not null)
            return;
        await using var create = new NpgsqlCommand($"CREATE DATABASE {Name}", connection);
        await create.ExecuteNonQueryAsync(stopping);
    }

    /// <summary>Lets the service and people log in, in the roles that the migrations made.</summary>
    public async Task EnsureLoginsAsync(Secrets secrets, CancellationToken stopping)
    {
        await EnsureLoginAsync(ServiceUser, "pii_writer", secrets.ServicePassword, stopping);
        await EnsureLoginAsync(PeopleUser, "pii_people, pii_rotator", secrets.PeoplePassword, stopping);
        await EnsureLoginAsync(AnalystUser, "pii_analyst", secrets.AnalystPassword, stopping);
    }

    /// <returns>Everything that ever happened, from the ledger.</returns>
    public async Task<Totals> TotalsAsync(CancellationToken stopping)
    {
        await using var command = owner.CreateCommand("SELECT stored, repeated, quarantined FROM ledger_totals");
        await using var reader = await command.ExecuteReaderAsync(stopping);
        return await reader.ReadAsync(stopping) ? new Totals(reader.GetInt64(0), reader.GetInt64(1), reader.GetInt64(2)) : new Totals(0, 0, 0);
    }

    /// <returns>What became of these messages.</returns>
    public async Task<Fate> FateOfAsync(IReadOnlyCollection<Guid> messages, CancellationToken stopping)
    {
        await using var command = owner.CreateCommand("""
            SELECT
                (SELECT count(*) FROM user_logins WHERE message_id = ANY ($1)),
                (SELECT count(*) FROM quarantine WHERE message_id = ANY ($1)),
                (SELECT count(*) FROM (
                    SELECT 1 FROM user_logins WHERE message_id = ANY ($1) GROUP BY masked_ip HAVING count(*) > 1) AS repeated),
                (SELECT count(*) FROM (
                    SELECT 1 FROM user_logins WHERE message_id = ANY ($1) GROUP BY masked_device_id HAVING count(*) > 1) AS repeated)
            """);
        command.Parameters.Add(new NpgsqlParameter<Guid[]> { TypedValue = [.. messages] });
        await using var reader = await command.ExecuteReaderAsync(stopping);
        await reader.ReadAsync(stopping);
        return new Fate(reader.GetInt64(0), reader.GetInt64(1), reader.GetInt64(2), reader.GetInt64(3));
    }

    /// <returns>A few of the newest rows.</returns>
    public async Task<IReadOnlyList<LoginRow>> SomeRowsAsync(int count, CancellationToken stopping)
    {
        await using var command = owner.CreateCommand("""
            SELECT user_id, device_type, masked_ip, masked_device_id, locale, app_version, create_date
            FROM user_logins ORDER BY create_date DESC, message_id LIMIT $1
            """);
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = count });
        await using var reader = await command.ExecuteReaderAsync(stopping);
        var rows = new List<LoginRow>();
        while (await reader.ReadAsync(stopping))
        {
            rows.Add(new LoginRow(
                reader.GetString(0),
                await reader.IsDBNullAsync(1, stopping) ? null : reader.GetString(1),
                reader.GetString(2),
                reader.GetString(3),
                await reader.IsDBNullAsync(4, stopping) ? null : reader.GetString(4),
                await reader.IsDBNullAsync(5, stopping) ? null : reader.GetInt32(5),
                reader.GetFieldValue<DateOnly>(6)));
        }

        return rows;
    }

    /// <param name="field"><c>ip</c> or <c>device_id</c>.</param>
    /// <param name="count">At most so many groups.</param>
    /// <param name="stopping">Ends the query.</param>
    /// <returns>The tokens that most rows share, with at least two rows each.</returns>
    public async Task<IReadOnlyList<DuplicateGroup>> LargestDuplicatesAsync(string field, int count, CancellationToken stopping)
    {
        await using var command = owner.CreateCommand($"""
            SELECT masked_{field}, count(*), count(DISTINCT user_id) FROM user_logins
            GROUP BY 1 HAVING count(*) > 1 ORDER BY 2 DESC, 1 LIMIT $1
            """);
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = count });
        await using var reader = await command.ExecuteReaderAsync(stopping);
        var groups = new List<DuplicateGroup>();
        while (await reader.ReadAsync(stopping))
            groups.Add(new DuplicateGroup(field, reader.GetString(0), reader.GetInt64(1), reader.GetInt64(2)));
        return groups;
    }

    /// <returns>For psql, as somebody who may only look at masked rows.</returns>
    public string AnalystUrl(Secrets secrets) => $"postgresql://{AnalystUser}:{secrets.AnalystPassword}@127.0.0.1:{server.Port}/{Name}";

    public ValueTask DisposeAsync() => owner.DisposeAsync();

    private string ConnectionStringOf(string user) =>
        new NpgsqlConnectionStringBuilder { Host = "127.0.0.1", Port = server.Port, Database = Name, Username = user }.ConnectionString;

    private async Task EnsureLoginAsync(string user, string role, string password, CancellationToken stopping)
    {
        // Roles belong to the server and outlive a database; the password is made of hexadecimal digits.
        await using var command = owner.CreateCommand($"""
            DO $do$ BEGIN
                IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{user}') THEN
                    CREATE ROLE {user} LOGIN IN ROLE {role};
                END IF;
            END $do$;
            GRANT {role} TO {user};
            ALTER ROLE {user} PASSWORD '{password.Replace("'", "''", StringComparison.Ordinal)}';
            """);
        await command.ExecuteNonQueryAsync(stopping);
    }
}

/// <summary>Sums of the ledger.</summary>
internal readonly record struct Totals(long Stored, long Repeated, long Quarantined)
{
    public static Totals operator -(Totals later, Totals earlier) =>
        new(later.Stored - earlier.Stored, later.Repeated - earlier.Repeated, later.Quarantined - earlier.Quarantined);
}

/// <summary>What became of the messages of a run.</summary>
/// <param name="Stored">Rows in user_logins.</param>
/// <param name="Quarantined">Rows in quarantine.</param>
/// <param name="RepeatedAddresses">Tokens of addresses that more than one of them has.</param>
/// <param name="RepeatedDevices">The same of devices.</param>
internal readonly record struct Fate(long Stored, long Quarantined, long RepeatedAddresses, long RepeatedDevices);

/// <summary>A row as an analyst sees it.</summary>
internal sealed record LoginRow(
    string UserId, string? DeviceType, string MaskedIp, string MaskedDeviceId, string? Locale, int? AppVersion, DateOnly CreateDate);

/// <summary>Rows that share a token, and so a value.</summary>
internal sealed record DuplicateGroup(string Field, string Token, long Logins, long Users);
