using Microsoft.Extensions.Options;

namespace PiiMasking.MaskingService.Keys;

/// <summary>Reads the keysets at the start, until it works, and again on a schedule.</summary>
internal sealed class KeysetLoader(Keyring keyring, IOptions<KeyOptions> options, TimeProvider time) : BackgroundService
{
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LongestRetry = TimeSpan.FromSeconds(15);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var retry = FirstRetry;
        while (!stoppingToken.IsCancellationRequested)
        {
            await keyring.ReloadAsync(stoppingToken);

            // A problem is looked at again soon: its remedy should not take a schedule's time to be noticed.
            var pause = options.Value.ReloadEvery;
            if (keyring.Problem is null)
            {
                retry = FirstRetry;
            }
            else
            {
                pause = retry < pause ? retry : pause;
                retry = retry * 2 < LongestRetry ? retry * 2 : LongestRetry;
            }
            await Task.Delay(pause, time, stoppingToken);
        }
    }
}
