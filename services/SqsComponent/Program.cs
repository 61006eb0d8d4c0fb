using PiiMasking.ServiceDefaults;
using PiiMasking.SqsComponent.Counters;
using PiiMasking.SqsComponent.Hosting;
using PiiMasking.SqsComponent.Sidecar;
using PiiMasking.SqsComponent.Watchdog;

if (HealthProbe.IsAskedFor(args, out var address))
    return await HealthProbe.RunAsync(address);

return await ServiceHost.RunAsync(() =>
{
    var builder = ServiceHost.CreateBuilder(args);
    builder.AddServiceDefaults();   // log format, telemetry
    builder.AddComponentSocket();   // where a sidecar finds the component
    builder.AddPubSub();            // what it calls, and the queues behind that
    builder.AddCounters();
    builder.AddWatchdog();          // what is done when it has lost the component
    builder.AddGracefulStop();      // finish, then give back

    var app = builder.Build();
    app.MapServiceDefaults();       // GET /healthz
    app.MapCounters();              // GET /counters
    app.MapPubSub();                // gRPC, with reflection
    return app;
});
