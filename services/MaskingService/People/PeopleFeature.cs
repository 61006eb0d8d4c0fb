using Microsoft.Extensions.Options;
using PiiMasking.MaskingService.Audit;
using PiiMasking.MaskingService.Storage;

namespace PiiMasking.MaskingService.People;

/// <summary>Registers what all of the people port needs: who may come in, how often, as whom in the database, and on what record.</summary>
internal static class PeopleFeature
{
    public static void AddPeople(this IHostApplicationBuilder builder)
    {
        builder.Services.AddOptions<PeopleOptions>().BindConfiguration(PeopleOptions.Section).ValidateDataAnnotations().ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<PeopleOptions>, PeopleOptionsValidator>();
        builder.AddPeopleAuthentication();
        builder.Services.AddSingleton(services => new PeopleDatabase(StorageFeature.CreatePeopleDataSource(services)));
        builder.Services.AddSingleton<PeopleLimits>();
        builder.Services.AddSingleton<PeopleReadiness>();
        builder.Services.AddSingleton<Refusals>();
        builder.Services.AddExceptionHandler<PeopleProblems>();

        builder.Services.AddSingleton<IntegrityKeys>();
        builder.Services.AddSingleton<AuditLog>();
        builder.Services.AddSingleton<AuditedRefusal>();
        builder.Services.AddHostedService(services => services.GetRequiredService<IntegrityKeys>());
        builder.Services.AddHostedService<AuditHeadReporter>();
        builder.Services.AddHostedService(services => services.GetRequiredService<Refusals>());
    }

    /// <summary>Records who asks for what people may use by the wrong port.</summary>
    public static void TurnedAway(HttpContext context)
    {
        if (PeopleRoutes.ActionOf(context) is { } action)
            context.RequestServices.GetRequiredService<Refusals>().Count(Caller.Of(context), action, "wrong_port");
    }
}
