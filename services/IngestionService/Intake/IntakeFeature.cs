using Dapr.AspNetCore;
using Dapr.Client;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Options;
using PiiMasking.Logins;
using PiiMasking.ServiceDefaults;

namespace PiiMasking.IngestionService.Intake;

/// <summary>Puts the intake into the application.</summary>
internal static class IntakeFeature
{
    // Between the end of the longest call and the end of the process: the answer still has to reach daprd.
    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(5);

    public static void AddIntake(this WebApplicationBuilder builder)
    {
        builder.Services.AddOptions<IntakeOptions>()
            .BindConfiguration(IntakeOptions.Section)
            .ValidateDataAnnotations()
            .Validate(options => !options.Topics.Any(string.IsNullOrWhiteSpace), "Intake:Topics has an empty name.")
            .Validate(options => options.Topics.Distinct().Count() == options.Topics.Count, "Intake:Topics names a topic twice.")
            .ValidateOnStart();

        builder.Services.AddDaprClient();
        builder.Services.AddSingleton<IntakeMetrics>();
        builder.Services.AddSingleton<MaskingClient>();
        builder.Services.AddSingleton<LoginIntake>();
        builder.Services.AddSingleton<MaskingReadiness>();
        builder.Services.AddHealthChecks().AddCheck<MaskingReadiness>("masking");

        builder.Services.AddOptions<KestrelServerOptions>().Configure<IOptions<IntakeOptions>>((kestrel, intake) =>
            kestrel.Limits.MaxRequestBodySize = intake.Value.MaxBulkBytes);
        builder.Services.AddOptions<HostOptions>().Configure<IOptions<IntakeOptions>>((host, intake) =>
            host.ShutdownTimeout = intake.Value.MaskingTimeout + AnswerTime);
    }

    public static void MapIntake(this WebApplication app)
    {
        if (!CanonicalDeviceId.CanNormalise)
        {
            throw new StartupException(
                "text cannot be normalised in this process: install ICU (libicu) and leave DOTNET_SYSTEM_GLOBALIZATION_INVARIANT unset.");
        }

        // Made now, so that a wrong sidecar address shows at start.
        try
        {
            app.Services.GetRequiredService<MaskingClient>();
        }
        catch (UriFormatException cause)
        {
            throw new StartupException("the sidecar's address is not a URL: see DAPR_HTTP_ENDPOINT and DAPR_GRPC_ENDPOINT.", cause);
        }

        var options = app.Services.GetRequiredService<IOptions<IntakeOptions>>().Value;
        var logins = app.MapPost("/logins", IntakeEndpoint.HandleAsync);
        foreach (var topic in options.Topics)
        {
            // Raw for every broker: in other bulk deliveries daprd rewrites numbers and can lose an entry that is no JSON.
            logins.WithTopic(options.PubSub, topic, enableRawPayload: true);
            logins.WithBulkSubscribe(new BulkSubscribeTopicOptions
            {
                TopicName = topic,
                MaxMessagesCount = options.BulkMaxEntries,
                MaxAwaitDurationMs = (int)options.BulkMaxWait.TotalMilliseconds,
            });
        }

        app.RequireAppToken(logins, app.MapSubscribeHandler());
    }
}
