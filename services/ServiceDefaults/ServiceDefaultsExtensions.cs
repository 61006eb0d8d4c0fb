using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace PiiMasking.ServiceDefaults;

/// <summary>What every host of the product does alike: log format, telemetry, problem details, health.</summary>
public static class ServiceDefaultsExtensions
{
    private const int MaxHeaderBytes = 16 << 10;
    private const int MaxHeaders = 64;

    /// <summary>
    /// Adds console logging (one line an entry, UTC; JSON in a container), OpenTelemetry if <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> is set,
    /// problem details without exception text, health checks and <see cref="TimeProvider.System"/>.
    /// </summary>
    /// <remarks>
    /// Meters and activity sources named <c>PiiMasking.*</c> are exported. A feature says what readiness means for it with
    /// <c>builder.Services.AddHealthChecks().AddCheck&lt;…&gt;("name")</c>; the check's description is shown to whoever asks.
    /// </remarks>
    public static TBuilder AddServiceDefaults<TBuilder>(this TBuilder builder) where TBuilder : IHostApplicationBuilder
    {
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.AddProblemDetails();
        // A body over the limit or cut short is the caller's doing, not ours.
        builder.Services.AddExceptionHandler(handler => handler.StatusCodeSelector =
            failure => failure is Microsoft.AspNetCore.Http.BadHttpRequestException bad ? bad.StatusCode : StatusCodes.Status500InternalServerError);
        builder.Services.AddHealthChecks();
        builder.Services.AddSingleton<Readiness>();
        builder.Services.Configure<KestrelServerOptions>(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestHeadersTotalSize = MaxHeaderBytes;
            kestrel.Limits.MaxRequestHeaderCount = MaxHeaders;
        });
        AddConsole(builder);
        AddTelemetry(builder);
        return builder;
    }

    /// <summary>Maps <c>GET /healthz</c> and <c>GET /readyz</c>, open to everyone, and answers failures with problem details.</summary>
    /// <remarks>Call it first: what is mapped after it is covered by the exception handler.</remarks>
    public static WebApplication MapServiceDefaults(this WebApplication app)
    {
        app.UseExceptionHandler();
        app.UseStatusCodePages();
        app.MapHealth();
        return app;
    }

    private static void AddConsole(IHostApplicationBuilder builder)
    {
        builder.Logging.ClearProviders();
        if (builder.Configuration["DOTNET_RUNNING_IN_CONTAINER"] == "true")
        {
            builder.Logging.AddJsonConsole(console =>
            {
                console.UseUtcTimestamp = true;
                console.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ";
            });
        }
        else
        {
            builder.Logging.AddSimpleConsole(console =>
            {
                console.SingleLine = true;
                console.UseUtcTimestamp = true;
                console.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ ";
                console.ColorBehavior = LoggerColorBehavior.Disabled;
            });
        }

        // Kestrel quotes a malformed request line there, and what a stray client sends may be anything.
        builder.Logging.AddFilter("Microsoft.AspNetCore.Server.Kestrel.BadRequests", LogLevel.Warning);
        // One line a probe for as long as something is missing; Readiness logs the changes instead.
        builder.Logging.AddFilter("Microsoft.Extensions.Diagnostics.HealthChecks", LogLevel.None);
        builder.Logging.AddFilter("Microsoft.AspNetCore.Hosting.Diagnostics", LogLevel.Warning);
        builder.Logging.AddFilter("Microsoft.AspNetCore.Routing.EndpointMiddleware", LogLevel.Warning);

        // The host logs a failed start with its whole stack, before ServiceHost can say in one line what to change.
        var startup = new StartupWatch();
        builder.Services.AddHostedService(_ => startup);
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", level => startup.IsOver && level >= LogLevel.Information);
    }

    private static void AddTelemetry(IHostApplicationBuilder builder)
    {
        if (string.IsNullOrWhiteSpace(builder.Configuration["OTEL_EXPORTER_OTLP_ENDPOINT"]))
            return;

        builder.Services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddService(builder.Environment.ApplicationName))
            .WithMetrics(metrics => metrics
                .AddMeter("PiiMasking.*")
                .AddAspNetCoreInstrumentation()
                .AddHttpClientInstrumentation()
                .AddRuntimeInstrumentation())
            // Both instrumentations record method, route, status and duration. Neither reads a body, and both redact query strings.
            .WithTracing(tracing => tracing
                .AddSource("PiiMasking.*")
                .AddAspNetCoreInstrumentation(aspNetCore => aspNetCore.Filter = request => !Health.IsProbe(request.Request.Path))
                .AddHttpClientInstrumentation())
            .UseOtlpExporter();
    }
}
