using PiiMasking.MaskingService.Storage;

namespace PiiMasking.MaskingService.Rotation;

/// <summary>Registers the rotation of keys.</summary>
internal static class RotationFeature
{
    public static void AddRotation(this IHostApplicationBuilder builder)
    {
        builder.Services.AddOptions<RotationOptions>().BindConfiguration(RotationOptions.Section).ValidateDataAnnotations().ValidateOnStart();
        builder.Services.AddSingleton(services => new RotationDatabase(StorageFeature.CreateRotationDataSource(services)));
        builder.Services.AddSingleton<RotationMetrics>();
        builder.Services.AddSingleton<LoginCopier>();
        builder.Services.AddSingleton<RollUpCopier>();
        builder.Services.AddSingleton<QuarantineResealer>();
        builder.Services.AddSingleton<ReplicaReporter>();
        builder.Services.AddHostedService(services => services.GetRequiredService<ReplicaReporter>());
        builder.Services.AddHostedService<RotationWorker>();
    }
}
