using PiiMasking.MaskingService.Audit;
using PiiMasking.MaskingService.Duplicates;
using PiiMasking.MaskingService.Erasure;
using PiiMasking.MaskingService.Keys;
using PiiMasking.MaskingService.Listeners;
using PiiMasking.MaskingService.Logins;
using PiiMasking.MaskingService.LookUp;
using PiiMasking.MaskingService.Masking;
using PiiMasking.MaskingService.People;
using PiiMasking.MaskingService.Quarantine;
using PiiMasking.MaskingService.Retention;
using PiiMasking.MaskingService.Reveal;
using PiiMasking.MaskingService.Rotation;
using PiiMasking.MaskingService.Storage;
using PiiMasking.ServiceDefaults;

namespace PiiMasking.MaskingService;

/// <summary>The service as a host: its features, a line each.</summary>
internal static class MaskingHost
{
    /// <summary>Builds it from environment variables and the appsettings.json beside the program.</summary>
    /// <param name="configure">For tests: a last word on configuration and services.</param>
    public static WebApplication Build(Action<WebApplicationBuilder>? configure = null)
    {
        var builder = ServiceHost.CreateBuilder([]);
        builder.AddServiceDefaults();   // telemetry, health, problem details, log format
        builder.AddListeners();         // the app port and the people port
        builder.AddAppToken();          // what the sidecar has to show
        builder.AddKeysets();           // from the secret store
        builder.AddStorage();           // Postgres
        builder.AddGeneration();        // keysets and database checked against each other before anything is masked
        builder.AddLogins();
        builder.AddPeople();            // who may come in by the people port, and the audit of it
        builder.AddApiDescription();
        builder.AddReveal();
        builder.AddQuarantine();
        builder.AddDuplicates();
        builder.AddLookUp();
        builder.AddErasure();           // what was erased is not stored again; what was begun is completed
        builder.AddRetention();         // what is older than its age goes, if somebody has set one
        builder.AddRotation();          // from one key to the next, while all of the above goes on
        configure?.Invoke(builder);

        var app = builder.Build();
        app.MapServiceDefaults();                                   // GET /healthz, /readyz; problem details for every error after it
        app.UseListeners(PeopleFeature.TurnedAway);
        app.UseAuthentication();
        app.UseAuthorization();
        app.RequireAppToken(app.MapLogins().On(Listener.App));      // POST /v1/logins, for ingestion only
        app.MapApiDescription();                                    // GET /openapi/v1.json
        app.MapReveal();                                            // POST /v1/reveal
        app.MapQuarantine();                                        // /v1/quarantine…
        app.MapDuplicates();                                        // GET /v1/duplicates
        app.MapLookUp();                                            // POST /v1/logins/search
        app.MapErasures();                                          // /v1/erasures…
        app.MapRotation();                                          // GET /v1/rotation
        app.MapAudit();                                             // GET /v1/audit
        return app;
    }
}
