namespace PiiMasking.MaskingService.Logins;

/// <summary>Registers what <c>POST /v1/logins</c> needs.</summary>
internal static class LoginsFeature
{
    public static void AddLogins(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSingleton<LoginMetrics>();
        builder.Services.AddSingleton<LoginMasker>();
        builder.Services.AddSingleton<LoginStore>();
        builder.Services.AddSingleton<LoginBatchHandler>();
        builder.Services.AddSingleton<LoginWriter>();
        builder.Services.AddHostedService(services => services.GetRequiredService<LoginWriter>());
    }
}
