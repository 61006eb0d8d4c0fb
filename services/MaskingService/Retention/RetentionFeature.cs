using Microsoft.Extensions.Options;
using Npgsql;
using PiiMasking.MaskingService.Keys;
using PiiMasking.MaskingService.Storage;

namespace PiiMasking.MaskingService.Retention;

/// <summary>Registers the removal of what is old.</summary>
internal static class RetentionFeature
{
    public static void AddRetention(this IHostApplicationBuilder builder)
    {
        builder.Services.AddOptions<RetentionOptions>()
            .BindConfiguration(RetentionOptions.Section).ValidateDataAnnotations().ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<RetentionOptions>, RetentionOptionsValidator>();
        builder.Services.AddSingleton(services => new StewardDatabase(StorageFeature.CreateStewardDataSource(services)));
        builder.Services.AddSingleton<Retainer>();
        builder.Services.AddHostedService<RetentionWorker>();
    }
}

/// <summary>Removes what is old again and again, if <see cref="RetentionOptions.Every"/> is set.</summary>
internal sealed class RetentionWorker(
    IServiceProvider services, IOptions<RetentionOptions> options, TimeProvider time, ILogger<RetentionWorker> logger) : BackgroundService
{
    private static readonly TimeSpan RetryInterval = TimeSpan.FromMinutes(5);

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (options.Value.Every is not { } every)
            return;

        // Only now: without it there need be no login for it.
        var retainer = services.GetRequiredService<Retainer>();
        while (true)
        {
            var isDone = false;
            try
            {
                isDone = await retainer.RunAsync(stoppingToken) is not { PartitionsInUse: true };
            }
            catch (KeySourceException e)
            {
                logger.NotRemoved(e.Message);
            }
            catch (Exception e) when (e is NpgsqlException or TimeoutException)
            {
                logger.NotRemoved(DatabaseProblem.Describe(e));
            }

            await Task.Delay(isDone || every < RetryInterval ? every : RetryInterval, time, stoppingToken);
        }
    }
}
