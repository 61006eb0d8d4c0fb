using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace PiiMasking.MaskingService.Keys;

/// <summary>Keysets from the secret store; <see cref="Keyring"/> has them.</summary>
internal static class KeyFeature
{
    /// <summary>Adds the keyring, what fills it, and the health check "keysets".</summary>
    public static void AddKeysets(this IHostApplicationBuilder builder)
    {
        builder.Services.AddOptions<KeyOptions>().BindConfiguration(KeyOptions.Section).ValidateDataAnnotations().ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<KeyOptions>, KeyOptionsValidator>();
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.AddMetrics();
        builder.Services.AddSingleton<KeyMetrics>();
        builder.Services.AddSingleton<SecretReader>();
        builder.Services.AddSingleton(services => new KeyEncryptionKeys(services.GetRequiredService<IOptions<KeyOptions>>()));
        builder.Services.AddSingleton<KeysetSource>();
        builder.Services.AddSingleton<Keyring>();
        builder.Services.AddHostedService<KeysetLoader>();
        builder.Services.AddHealthChecks().AddCheck<KeyHealth>("keysets");
    }
}
