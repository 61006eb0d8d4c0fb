namespace PiiMasking.MaskingService.Masking;

/// <summary>Registers the check of keysets and database against each other.</summary>
internal static class MaskingFeature
{
    public static void AddGeneration(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSingleton<Generation>();
        builder.Services.AddSingleton<GenerationKeeper>();
        builder.Services.AddHostedService(services => services.GetRequiredService<GenerationKeeper>());
        builder.Services.AddHealthChecks().AddCheck<GenerationKeeper>("generation");
    }
}
