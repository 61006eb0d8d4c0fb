using Microsoft.Extensions.Options;
using Npgsql;
using PiiMasking.MaskingService.Keys;

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
        var source = new NpgsqlDataSourceBuilder(ConnectionString(services.GetRequiredService<IConfiguration>()));
        source.ConnectionStringBuilder.ApplicationName ??= "masking";
        source.ConnectionStringBuilder.CommandTimeout = (int)options.CommandTimeout.TotalSeconds;
        if (options.PasswordSecret is { Length: > 0 } secret)
        {
            var secrets = services.GetRequiredService<SecretReader>();
            source.UsePeriodicPasswordProvider((_, cancellation) => secrets.ReadTextAsync(secret, cancellation), PasswordGoodFor, PasswordRetry);
        }

        return source.Build();
    }

    private static string ConnectionString(IConfiguration configuration) =>
        configuration.GetConnectionString("Database") is { Length: > 0 } text
            ? text
            : throw new OptionsValidationException(
                "ConnectionStrings", typeof(string), ["ConnectionStrings:Database is not set. Set it to 'Host=…;Database=logins;Username=masking' (ConnectionStrings__Database)."]);
}
