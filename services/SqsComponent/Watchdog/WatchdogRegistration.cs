namespace PiiMasking.SqsComponent.Watchdog;

internal static class WatchdogRegistration
{
    public static void AddWatchdog(this WebApplicationBuilder builder)
    {
        builder.Services.AddOptions<WatchdogOptions>().BindConfiguration("Watchdog").ValidateDataAnnotations().ValidateOnStart();
        builder.Services.AddSingleton<SidecarSightings>();
        builder.Services.AddHostedService<SidecarWatchdog>();
    }
}
