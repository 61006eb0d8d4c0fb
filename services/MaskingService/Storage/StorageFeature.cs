using System.Data.Common;
using Microsoft.Extensions.Options;
using Npgsql;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;
using PiiMasking.MaskingService.Keys;
using PiiMasking.MaskingService.People;
using PiiMasking.MaskingService.Retention;
using PiiMasking.MaskingService.Rotation;
using PiiMasking.ServiceDefaults;

namespace PiiMasking.MaskingService.Storage;

/// <summary>Registers the database.</summary>
internal static class StorageFeature
{
    private const string Database = "Database";
    private const string People = "People";
    private const string Steward = "Steward";
    private const string Rotation = "Rotation";

    // The connection string may say otherwise: 0 for a pooler in transaction mode that knows no prepared statements (PgBouncer before 1.21).
    private const string AutoPrepare = "Max Auto Prepare";

    // A connection prepares what it runs for the fifth time; the database then parses and plans it no more.
    private const int PreparedStatements = 20;

    // People share these; the writer's connections are not theirs to use up.
    private const int PeopleConnections = 10;

    // One that works and one that holds the lock.
    private const int StewardConnections = 2;

    // One that works, and one that looks.
    private const int RotationConnections = 2;

    private static readonly TimeSpan PasswordGoodFor = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan PasswordRetry = TimeSpan.FromSeconds(1);

    public static void AddStorage(this IHostApplicationBuilder builder)
    {
        builder.Services.AddOptions<StorageOptions>().BindConfiguration("Storage").ValidateDataAnnotations().ValidateOnStart();
        builder.Services.AddSingleton(CreateDataSource);
        builder.Services.AddHostedService<PartitionKeeper>();
        builder.Services.AddHealthChecks().AddCheck<DatabaseHealth>("database");
        builder.Services.AddSingleton<DatabaseHealth>();
        // Statements as they are written in .sql files, without the values of their parameters; and the connection pools.
        builder.Services.ConfigureOpenTelemetryTracerProvider(tracing => tracing.AddNpgsql());
        builder.Services.ConfigureOpenTelemetryMeterProvider(metrics => metrics.AddMeter("Npgsql"));
    }

    /// <summary>
    /// The database as people's requests see it: <c>ConnectionStrings:People</c>, else the writer's own login, which must then be a member
    /// of pii_people as well.
    /// </summary>
    public static NpgsqlDataSource CreatePeopleDataSource(IServiceProvider services)
    {
        var hasOwnLogin = services.GetRequiredService<IConfiguration>().GetConnectionString(People) is { Length: > 0 };
        var passwordSecret = hasOwnLogin
            ? services.GetRequiredService<IOptions<PeopleOptions>>().Value.PasswordSecret
            : services.GetRequiredService<IOptions<StorageOptions>>().Value.PasswordSecret;
        return CreateDataSource(services, hasOwnLogin ? People : Database, "masking-people", passwordSecret, PeopleConnections);
    }

    /// <summary>The database as retention sees it: <c>ConnectionStrings:Steward</c>, a login of its own, since the writer cannot take away.</summary>
    public static NpgsqlDataSource CreateStewardDataSource(IServiceProvider services) =>
        CreateDataSource(
            services, Steward, "masking-retention", services.GetRequiredService<IOptions<RetentionOptions>>().Value.PasswordSecret,
            StewardConnections);

    /// <summary>
    /// The database as the rotation of keys sees it: <c>ConnectionStrings:Rotation</c>, else the login of people, else the writer's, which
    /// must then be a member of pii_rotator as well.
    /// </summary>
    public static NpgsqlDataSource CreateRotationDataSource(IServiceProvider services)
    {
        var configuration = services.GetRequiredService<IConfiguration>();
        var (name, passwordSecret) =
            configuration.GetConnectionString(Rotation) is { Length: > 0 }
                ? (Rotation, services.GetRequiredService<IOptions<RotationOptions>>().Value.PasswordSecret)
            : configuration.GetConnectionString(People) is { Length: > 0 }
                ? (People, services.GetRequiredService<IOptions<PeopleOptions>>().Value.PasswordSecret)
            : (Database, services.GetRequiredService<IOptions<StorageOptions>>().Value.PasswordSecret);
        return CreateDataSource(services, name, "masking-rotation", passwordSecret, RotationConnections);
    }

    private static NpgsqlDataSource CreateDataSource(IServiceProvider services)
    {
        var passwordSecret = services.GetRequiredService<IOptions<StorageOptions>>().Value.PasswordSecret;
        return CreateDataSource(services, Database, "masking", passwordSecret, maxConnections: null);
    }

    private static NpgsqlDataSource CreateDataSource(
        IServiceProvider services, string name, string applicationName, string? passwordSecret, int? maxConnections)
    {
        var options = services.GetRequiredService<IOptions<StorageOptions>>().Value;
        var source = CreateBuilder(services.GetRequiredService<IConfiguration>(), name);
        source.ConnectionStringBuilder.ApplicationName ??= applicationName;
        source.ConnectionStringBuilder.CommandTimeout = (int)options.CommandTimeout.TotalSeconds;
        if (maxConnections is { } most && source.ConnectionStringBuilder.MaxPoolSize > most)
            source.ConnectionStringBuilder.MaxPoolSize = most;
        if (passwordSecret is { Length: > 0 } secret)
        {
            var secrets = services.GetRequiredService<SecretReader>();
            source.UsePeriodicPasswordProvider((_, cancellation) => secrets.ReadTextAsync(secret, cancellation), PasswordGoodFor,
                PasswordRetry);
        }

        return source.Build();
    }

    private static NpgsqlDataSourceBuilder CreateBuilder(IConfiguration configuration, string name)
    {
        var remedy = $"Set ConnectionStrings__{name} to something like 'Host=…;Database=logins;Username=masking'.";
        if (configuration.GetConnectionString(name) is not { Length: > 0 } text)
            throw new StartupException($"no connection string for the database. {remedy}");
        try
        {
            var source = new NpgsqlDataSourceBuilder(text);
            // Not for people: what they ask is planned best for the values that they ask about.
            if (name == Database && !new DbConnectionStringBuilder { ConnectionString = text }.ContainsKey(AutoPrepare))
                source.ConnectionStringBuilder.MaxAutoPrepare = PreparedStatements;
            return source;
        }
        catch (ArgumentException)
        {
            // Npgsql's own text can quote parts of the string, and a password is one of them.
            throw new StartupException($"ConnectionStrings:{name} is not a valid Npgsql connection string. {remedy}");
        }
    }
}
