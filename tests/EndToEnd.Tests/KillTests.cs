using PiiMasking.AppHost;
using PiiMasking.Backing;

namespace PiiMasking.EndToEnd.Tests;

/// <summary>kill -9 with messages on their way: each is stored once, none twice, none lost.</summary>
public sealed class KillTests(RunningSystem running)
{
    [Fact]
    public Task Of_the_masking_service() => KillAsync(running.System.Masking);

    [Fact]
    public Task Of_the_ingestion_service() => KillAsync(running.System.Ingestion);

    [Fact]
    public Task Of_the_database() => KillAsync(running.System.Postgres);

    [Fact]
    public Task Of_the_ingestion_sidecar() => KillAsync(running.System.IngestionSidecar);

    [Fact]
    public Task Of_the_masking_sidecar() => KillAsync(running.System.MaskingSidecar);

    private async Task KillAsync(Supervised program)
    {
        const int messages = 3_000;
        var victim = program.Process!;
        var isKilled = false;

        var result = await running.DeliverAsync(SampleLogins.Make(messages), now =>
        {
            // Received, some of them stored, and none of those in work acknowledged.
            if (isKilled || now.Queue.InWork == 0 || now.Since.Stored == 0)
                return;
            isKilled = true;
            victim.Send(Signal.Kill);
        });

        Assert.True(isKilled, "Everything was through before anything could be killed.");
        Assert.True(result.IsComplete, $"{result}");
        Assert.Equal((messages - 1, 1), (result.Fate.Stored, result.Fate.Quarantined));
        Assert.NotSame(victim, program.Process);
    }
}
