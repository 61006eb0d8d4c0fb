using System.Net;
using System.Text.RegularExpressions;
using PiiMasking.AppHost;
using PiiMasking.Backing;
using PiiMasking.Testing;

namespace PiiMasking.EndToEnd.Tests.Storm;

/// <summary>What has broken for good mends itself, and says so.</summary>
public sealed class RecoveryTests(StormSystem storm)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(700);

    [Fact]
    public async Task After_a_restart_of_the_component_the_sidecar_is_asked_to_look_for_it_again()
    {
        await using var run = await StormRun.StartAsync(storm, TestContext.Current.CancellationToken);

        await WhileSendingAsync(run, async () =>
        {
            var before = StormSystem.LogOf(storm.System.Component).Length;
            var component = storm.System.Component.Process!;
            component.Send(Signal.Kill);
            await component.Exited;
            await ComponentSaysAsync(before, "has not initialised the component", run.Stopping);
        });
    }

    [Fact]
    public async Task A_stream_that_broke_is_opened_again_by_a_restart_of_the_sidecar()
    {
        await using var run = await StormRun.StartAsync(storm, TestContext.Current.CancellationToken);

        await WhileSendingAsync(run, async () =>
        {
            var before = StormSystem.LogOf(storm.System.Component).Length;
            var sidecar = storm.System.IngestionSidecar.Process;
            storm.ComponentNetwork.Cut();
            // An earlier test may have left the subscription of the dead-letter queue on: then both are named.
            await ComponentSaysAsync(before, "The subscription of login-queue(, login-queue-dlq)? ended", run.Stopping);
            await Eventually.HoldsAsync("the sidecar is another one", () => storm.System.IngestionSidecar.Process != sidecar, Limit, run.Stopping);
        });
    }

    [Fact]
    public async Task A_database_that_moves_to_another_address_is_found_there()
    {
        await using var run = await StormRun.StartAsync(storm, TestContext.Current.CancellationToken);
        var before = storm.DatabaseNetwork.Target;
        await using var elsewhere = new BadNetwork { Target = before };
        try
        {
            await WhileSendingAsync(run, async () =>
            {
                storm.DatabaseNetwork.Condition = Condition.Refusing;
                storm.DatabaseNetwork.Cut();
                await Task.Delay(Step, run.Stopping);
                storm.DatabaseNetwork.Target = new IPEndPoint(IPAddress.Loopback, elsewhere.Port);
                storm.DatabaseNetwork.Condition = Condition.Well;
            });
        }
        finally
        {
            (storm.DatabaseNetwork.Target, storm.DatabaseNetwork.Condition) = (before, Condition.Well);
            storm.DatabaseNetwork.Cut();
        }
    }

    [Theory]
    [InlineData("ingestion sidecar", "IngestionService", "masking sidecar", "MaskingService", "database", "queue", "SqsComponent")]
    [InlineData("SqsComponent", "MaskingService", "IngestionService", "queue", "ingestion sidecar", "database", "masking sidecar")]
    public async Task It_starts_in_any_order(params string[] order)
    {
        await using var run = await StormRun.StartAsync(storm, TestContext.Current.CancellationToken);
        try
        {
            foreach (var part in order)
                HoldBack(part);
            var system = storm.System;
            var programs = new[] { system.Component, system.Ingestion, system.Masking, system.IngestionSidecar, system.MaskingSidecar, system.Emulator };
            var killed = programs.Select(program => program.Process!).ToList();
            killed.ForEach(process => process.Send(Signal.Kill));
            system.Postgres.Process!.Send(Signal.Quit);
            await Task.WhenAll(killed.Select(process => process.Exited));
        }
        finally
        {
            foreach (var part in order)
            {
                LetGo(part);
                await Task.Delay(Step, run.Stopping);
            }
        }

        await WhileSendingAsync(run, () => Task.CompletedTask);
    }

    /// <summary>Waits for a line that matches, in what the component has logged behind so many characters.</summary>
    private Task ComponentSaysAsync(int behind, string pattern, CancellationToken stopping) => Eventually.HoldsAsync(
        $"the component says: {pattern}",
        () => Regex.IsMatch(StormSystem.LogOf(storm.System.Component)[behind..], pattern),
        Limit,
        stopping);

    /// <summary>Sends all the while, does harm once messages are consumed; consumption has to go on within a minute, and nothing may be lost.</summary>
    private static async Task WhileSendingAsync(StormRun run, Func<Task> harm)
    {
        var isOver = false;
        var sending = run.Producer.SendAsync(200, TimeSpan.FromSeconds(2), () => !isOver, run.Stopping);
        try
        {
            // What an earlier test did may be in the way until now.
            await run.NextCommitAsync(Limit);
            await harm();
            await run.NextCommitAsync(Limit);
        }
        finally
        {
            isOver = true;
            await sending;
        }

        var verdict = await run.FinishAsync();
        await run.AssertAsync(verdict.IsGreen, $"{verdict}");
    }

    private void HoldBack(string part)
    {
        switch (part)
        {
            case "database":
                storm.DatabaseNetwork.Condition = Condition.Refusing;
                break;
            case "queue":
                storm.QueueNetwork.Condition = Condition.Refusing;
                break;
            default:
                storm.HoldBack(part);
                break;
        }
    }

    private void LetGo(string part)
    {
        switch (part)
        {
            case "database":
                storm.DatabaseNetwork.Condition = Condition.Well;
                break;
            case "queue":
                storm.QueueNetwork.Condition = Condition.Well;
                break;
            default:
                storm.LetGo(part);
                break;
        }
    }
}
