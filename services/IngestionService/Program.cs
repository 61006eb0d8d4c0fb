using PiiMasking.IngestionService.Intake;
using PiiMasking.ServiceDefaults;

if (HealthProbe.IsAskedFor(args, out var address))
    return await HealthProbe.RunAsync(address);

return await ServiceHost.RunAsync(() => IngestionProgram.Build(args));

/// <summary>The ingestion service, put together; its tests run it in their own process.</summary>
internal static class IngestionProgram
{
    /// <param name="args">Settings as <c>--Intake:PubSub=…</c>; they win over environment and appsettings.json.</param>
    /// <param name="extend">What a test adds, such as a place to keep log lines.</param>
    public static WebApplication Build(string[] args, Action<WebApplicationBuilder>? extend = null)
    {
        var builder = ServiceHost.CreateBuilder(args);
        builder.AddServiceDefaults();   // telemetry, health, problem details
        builder.AddAppToken();          // only our own sidecar may deliver
        builder.AddIntake();            // from the queue's bytes to the masking service and back to an answer
        extend?.Invoke(builder);

        var app = builder.Build();
        app.MapServiceDefaults();       // GET /healthz, /readyz
        app.MapIntake();                // POST /logins, GET /dapr/subscribe
        return app;
    }
}
