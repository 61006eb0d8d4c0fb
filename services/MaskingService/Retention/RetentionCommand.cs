using System.CommandLine;
using System.Globalization;
using Microsoft.Extensions.Options;
using Npgsql;
using PiiMasking.MaskingService.Erasure;
using PiiMasking.MaskingService.Keys;
using PiiMasking.MaskingService.Keys.Commands;
using PiiMasking.MaskingService.Storage;
using PiiMasking.ServiceDefaults;
using PiiMasking.Tink;

namespace PiiMasking.MaskingService.Retention;

/// <summary>The verb <c>retention</c>: removes what is older than the ages that are set, once.</summary>
internal static class RetentionCommand
{
    private const int Done = 0;
    private const int NotDone = 1;
    private const int SomeLeft = 2;

    /// <summary>The verb on the process's own output, configured by environment variables.</summary>
    public static Command Create() => Create(Terminal.OfProcess(), new ConfigurationBuilder().AddEnvironmentVariables().Build());

    /// <summary>The verb on any output and configuration.</summary>
    public static Command Create(Terminal terminal, IConfiguration configuration)
    {
        var command = new Command(
            "retention",
            """
            Removes what is older than its age: Retention__Logins, Retention__Quarantine, Retention__Ledger, Retention__Audit,
            Retention__Erasures (such as 365.00:00:00); what has no age is kept. Connects with ConnectionStrings__Steward, a member of
            pii_steward. Exit code 0: done; 2: something old is left and said; 1: nothing is known.
            """);
        command.SetAction((_, stopping) => GuardAsync(terminal, () => RunAsync(terminal, configuration, stopping)));
        return command;
    }

    private static async Task<int> RunAsync(Terminal terminal, IConfiguration configuration, CancellationToken stopping)
    {
        await using var services = Services(configuration);
        var removed = await services.GetRequiredService<Retainer>().RunAsync(stopping);
        if (removed is null)
        {
            await terminal.Notes.WriteLineAsync("retention: another one is at it.");
            return NotDone;
        }

        await using var output = new StreamWriter(terminal.Output, leaveOpen: true);
        await output.WriteLineAsync(string.Create(
            CultureInfo.InvariantCulture,
            $"Removed {removed.Partitions} partitions of logins, {removed.OddLogins} logins of odd dates, "
            + $"{removed.Quarantined} messages in quarantine, {removed.LedgerEntries} ledger entries, "
            + $"{removed.AuditRecords} audit records, {removed.Erasures} erasures."));
        if (removed.PartitionsInUse)
            await terminal.Notes.WriteLineAsync("retention: a reader kept partitions from being dropped. Run it again.");
        if (removed.BrokenRecord is { } record)
        {
            await terminal.Notes.WriteLineAsync(
                $"retention: record {record} of the audit is not what was written; none from there on is cut. Run "
                + "'MaskingService audit verify'.");
        }

        return removed is { PartitionsInUse: false, BrokenRecord: null } ? Done : SomeLeft;
    }

    /// <summary>What retention needs of the service; nothing of it is started.</summary>
    private static ServiceProvider Services(IConfiguration configuration)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new());
        builder.Configuration.AddConfiguration(configuration);
        builder.AddKeysets();
        builder.AddStorage();
        builder.Services.AddOptions<ErasureOptions>().BindConfiguration(ErasureOptions.Section);
        builder.AddRetention();
        return builder.Services.BuildServiceProvider();
    }

    private static async Task<int> GuardAsync(Terminal terminal, Func<Task<int>> run)
    {
        try
        {
            return await run();
        }
        catch (Exception e) when (e is KeySourceException or KeysetException or StartupException or OptionsValidationException)
        {
            await terminal.Notes.WriteLineAsync($"retention: {e.Message}");
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException)
        {
            await terminal.Notes.WriteLineAsync($"retention: {DatabaseProblem.Describe(e)}");
        }

        return NotDone;
    }
}
