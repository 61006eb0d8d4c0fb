using Microsoft.Extensions.Options;
using Npgsql;
using PiiMasking.MaskingService.Keys;
using PiiMasking.ServiceDefaults;

namespace PiiMasking.MaskingService.Storage;

/// <summary>Registers the database.</summary>
internal static class StorageFeature
{
    private static readonly TimeSpan PasswordGoodFor = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan PasswordRetry = TimeSpan.FromSeconds(1);

    public static void AddStorage(this IHostApplicationBuilder builder)
    {
        builder.Services.AddOptions<StorageOptions>().BindConfiguration("Storage").ValidateDataAnnotations().ValidateOnStart();
        builder.Services.AddSingleton(CreateDataSource);
        builder.Services.AddHostedService<PartitionKeeper>();
        builder.Services.AddHealthChecks().AddCheck<DatabaseHealth>("database");
        builder.Services.AddSingleton<DatabaseHealth>();
    }

    private static NpgsqlDataSource CreateDataSource(IServiceProvider services)
    {
        var options = services.GetRequiredService<IOptions<StorageOptions>>().Value;
        var source = CreateBuilder(services.GetRequiredService<IConfiguration>());
        source.ConnectionStringBuilder.ApplicationName ??= "masking";
        source.ConnectionStringBuilder.CommandTimeout = (int)options.CommandTimeout.TotalSeconds;
        if (options.PasswordSecret is { Length: > 0 } secret)
        {
            var secrets = services.GetRequiredService<SecretReader>();
            source.UsePeriodicPasswordProvider((_, cancellation) => secrets.ReadTextAsync(secret, cancellation), PasswordGoodFor, PasswordRetry);
        }

        return source.Build();
    }

    private static NpgsqlDataSourceBuilder CreateBuilder(IConfiguration configuration)
    {
        const string remedy = "Set ConnectionStrings__Database to something like 'Host=…;Database=logins;Username=masking'.";
        if (configuration.GetConnectionString("Database") is not { Length: > 0 } text)
            throw new StartupException($"no connection string for the database. {remedy}");
        try
        {
            return new NpgsqlDataSourceBuilder(text);
        }
        catch (ArgumentException)
        {
            // Npgsql's own text can quote parts of the string, and a password is one of them.
            throw new StartupException($"ConnectionStrings:Database is not a valid Npgsql connection string. {remedy}");
        }
    }
}
