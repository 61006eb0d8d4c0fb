using Npgsql;
using PiiMasking.Backing;
using Testcontainers.PostgreSql;
using Xunit;

namespace PiiMasking.Testing;

/// <summary>One PostgreSQL server for the tests that share it; each takes a database of its own.</summary>
/// <remarks>
/// A container where a Docker engine answers and has or gets the image, else the server that npm brings. The variable
/// TESTS_POSTGRES (<c>container</c> or <c>embedded</c>) insists on one of them.
/// </remarks>
public sealed class PostgresFixture : IAsyncLifetime
{
    private const string Image = "postgres:17-alpine";
    private static readonly TimeSpan ContainerLimit = TimeSpan.FromMinutes(2);

    private readonly ScratchFolder scratch = new();
    private PostgreSqlContainer? container;
    private PostgresServer? server;
    private string? superuser;

    /// <summary>Which of the two it is, and why.</summary>
    public string Description { get; private set; } = "not started";

    /// <summary>Whether the server runs beside the tests and sees their files; not so in a container.</summary>
    public bool IsOnThisMachine => server is not null;

    /// <summary>The superuser's connection to the database <c>postgres</c>.</summary>
    public string SuperuserConnectionString => superuser ?? throw new InvalidOperationException("The fixture has not been initialised.");

    /// <summary>Makes an empty database, or a copy of another one. Takes some 30 ms.</summary>
    /// <param name="template">A database to copy (migrated once, copied for each test); nobody may be connected to it.</param>
    public async Task<TestDatabase> CreateDatabaseAsync(string? template = null)
    {
        var name = $"test_{Guid.NewGuid():n}";
        await using var connection = new NpgsqlConnection(SuperuserConnectionString);
        await connection.OpenAsync();
        await using var create = connection.CreateCommand();
        create.CommandText = $"CREATE DATABASE {name}{(template is null ? "" : $" TEMPLATE {template}")}";
        await create.ExecuteNonQueryAsync();
        return new TestDatabase(this, name);
    }

    /// <inheritdoc />
    public async ValueTask InitializeAsync()
    {
        var wanted = Environment.GetEnvironmentVariable("TESTS_POSTGRES");
        if (wanted is "container" || (wanted is not "embedded" && await DockerEngine.AnswersAsync()))
        {
            try
            {
                await StartContainerAsync();
                return;
            }
            catch (Exception error) when (wanted is not "container")
            {
                Description = $"no container ({error.GetType().Name})";
            }
        }

        await StartServerAsync();
    }

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        NpgsqlConnection.ClearAllPools();
        if (container is not null)
            await container.DisposeAsync();
        if (server is not null)
            await server.DisposeAsync();
        scratch.Dispose();
    }

    private async Task StartContainerAsync()
    {
        using var limit = new CancellationTokenSource(ContainerLimit);
        var starting = new PostgreSqlBuilder(Image).Build();
        try
        {
            await starting.StartAsync(limit.Token);
        }
        catch
        {
            await starting.DisposeAsync();
            throw;
        }

        container = starting;
        superuser = container.GetConnectionString();
        Description = $"container of {Image}";
    }

    private async Task StartServerAsync()
    {
        server = await PostgresServer.StartAsync(await LocalPackages.EnsureAsync(), new PostgresOptions
        {
            DataFolder = scratch["postgres"],
            Password = Guid.NewGuid().ToString("n"),
            LogFile = scratch["postgres.log"],
            Durable = false,
        });
        superuser = server.ConnectionString();
        Description = Description == "not started" ? "embedded" : $"embedded: {Description}";
    }
}

/// <summary>A database of one test (or class), dropped at the end.</summary>
public sealed class TestDatabase(PostgresFixture fixture, string name) : IAsyncDisposable
{
    /// <summary>The database's name.</summary>
    public string Name => name;

    /// <summary>The superuser's connection.</summary>
    public string ConnectionString { get; } =
        new NpgsqlConnectionStringBuilder(fixture.SuperuserConnectionString) { Database = name }.ConnectionString;

    /// <returns>A connection string for another login role.</returns>
    public string ConnectionStringOf(string user, string password) =>
        new NpgsqlConnectionStringBuilder(ConnectionString) { Username = user, Password = password }.ConnectionString;

    /// <returns>An open connection of the superuser.</returns>
    public async Task<NpgsqlConnection> OpenAsync()
    {
        var connection = new NpgsqlConnection(ConnectionString);
        await connection.OpenAsync();
        return connection;
    }

    /// <summary>Runs statements as the superuser.</summary>
    public async Task ExecuteAsync(string sql)
    {
        await using var connection = await OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    /// <returns>The first column of the first row, as the superuser sees it.</returns>
    public async Task<T> ScalarAsync<T>(string sql)
    {
        await using var connection = await OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return (T)(await command.ExecuteScalarAsync())!;
    }

    /// <summary>Waits until a session of this database waits for an advisory lock.</summary>
    public Task SomebodyWaitsForAnAdvisoryLockAsync() => Eventually.HoldsAsync(
        "somebody waits for an advisory lock",
        () => ScalarAsync<bool>(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted "
            + "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"));

    /// <summary>Drops it, whoever is still connected.</summary>
    public async ValueTask DisposeAsync()
    {
        await using var connection = new NpgsqlConnection(fixture.SuperuserConnectionString);
        await connection.OpenAsync();
        await using var drop = new NpgsqlCommand($"DROP DATABASE IF EXISTS {name} WITH (FORCE)", connection);
        await drop.ExecuteNonQueryAsync();
    }
}
