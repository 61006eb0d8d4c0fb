using PiiMasking.AppHost;
using PiiMasking.Backing;

namespace PiiMasking.EndToEnd.Tests.Storm;

/// <summary>SIGTERM finishes and acknowledges what is in work: nothing is done twice.</summary>
public sealed class RollingRestartTests(StormSystem storm, ITestOutputHelper output)
{
    private const int Restarts = 20;

    [Fact]
    public async Task During_twenty_restarts_of_services_and_sidecars_under_load_nothing_is_processed_twice()
    {
        await using var run = await StormRun.StartAsync(storm, TestContext.Current.CancellationToken);
        var system = storm.System;
        // Alone, and as a pod goes: the service and its sidecar at once.
        Supervised[][] rounds =
        [
            [system.Ingestion], [system.IngestionSidecar], [system.Masking], [system.MaskingSidecar],
            [system.Ingestion, system.IngestionSidecar], [system.Masking, system.MaskingSidecar],
        ];
        var isOver = false;
        var sending = run.Producer.SendAsync(2_000, TimeSpan.FromSeconds(20), () => !isOver, run.Stopping);
        var restarts = 0;
        for (var round = 0; restarts < Restarts; round++)
        {
            var programs = rounds[round % rounds.Length];
            await Task.WhenAll(programs.Select(program => StormSystem.RestartAsync(program, Signal.Terminate, run.Stopping)));
            restarts += programs.Length;
            // So that there is something in work for the next one.
            await run.NextCommitAsync(TimeSpan.FromMinutes(1));
        }

        isOver = true;
        await sending;
        var verdict = await run.FinishAsync();

        output.WriteLine($"{restarts} restarts: {verdict}");
        await run.AssertAsync(verdict is { IsGreen: true, DeletedIsWhole: true, Since.LedgerRepeated: 0 }, $"{restarts} restarts: {verdict}");
    }
}
