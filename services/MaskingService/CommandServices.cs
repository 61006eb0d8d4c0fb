using PiiMasking.MaskingService.Keys;
using PiiMasking.MaskingService.People;
using PiiMasking.MaskingService.Rotation;
using PiiMasking.MaskingService.Storage;

namespace PiiMasking.MaskingService;

/// <summary>For verbs that need the service's secrets or database: the same configuration, and nothing of it is started.</summary>
internal static class CommandServices
{
    public static ServiceProvider Create(IConfiguration configuration)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new());
        builder.Configuration.AddConfiguration(configuration);
        builder.AddKeysets();
        builder.AddStorage();
        builder.Services.AddOptions<PeopleOptions>().BindConfiguration(PeopleOptions.Section);
        builder.Services.AddOptions<RotationOptions>().BindConfiguration(RotationOptions.Section);
        return builder.Services.BuildServiceProvider();
    }
}
