using Npgsql;
using PiiMasking.MaskingService.Storage;
using PiiMasking.Testing;

namespace PiiMasking.MaskingService.Tests;

/// <summary>Databases with this version's schema, each a copy of one that was migrated once, and a login for the service.</summary>
public sealed class MigratedDatabases : IAsyncLifetime
{
    /// <summary>The service's login, a member of pii_writer and nothing else.</summary>
    public const string Writer = "masking";

    /// <summary>Its password.</summary>
    public const string WriterPassword = "writer-of-tests";

    /// <summary>The login of people's requests and of rotations, a member of pii_people and pii_rotator.</summary>
    public const string People = "masking_people";

    /// <summary>Its password.</summary>
    public const string PeoplePassword = "people-of-tests";

    /// <summary>The login of retention, a member of pii_steward and nothing else.</summary>
    public const string Steward = "masking_steward";

    /// <summary>Its password.</summary>
    public const string StewardPassword = "steward-of-tests";

    private TestDatabase? template;

    /// <summary>The server they are on.</summary>
    public PostgresFixture Postgres { get; } = new();

    /// <inheritdoc />
    public async ValueTask InitializeAsync()
    {
        await Postgres.InitializeAsync();
        template = await Postgres.CreateDatabaseAsync();
        await using (var connection = await template.OpenAsync())
        {
            await Migrator.ApplyAsync(connection, CancellationToken.None);
        }

        await template.ExecuteAsync($"CREATE ROLE {Writer} LOGIN PASSWORD '{WriterPassword}' IN ROLE pii_writer");
        await template.ExecuteAsync($"CREATE ROLE {Steward} LOGIN PASSWORD '{StewardPassword}' IN ROLE pii_steward");
        await template.ExecuteAsync($"CREATE ROLE {People} LOGIN PASSWORD '{PeoplePassword}' IN ROLE pii_people, pii_rotator");
        NpgsqlConnection.ClearAllPools();   // a template with a connection cannot be copied
    }

    /// <summary>A fresh migrated database.</summary>
    public Task<TestDatabase> CreateAsync() => Postgres.CreateDatabaseAsync(template!.Name);

    /// <inheritdoc />
    public async ValueTask DisposeAsync()
    {
        if (template is not null)
            await template.DisposeAsync();
        await Postgres.DisposeAsync();
    }
}
