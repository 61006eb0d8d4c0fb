using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Npgsql;
using PiiMasking.MaskingService.Audit;
using PiiMasking.MaskingService.Keys;
using PiiMasking.MaskingService.Keys.Commands;
using PiiMasking.MaskingService.People;
using PiiMasking.MaskingService.Storage;
using PiiMasking.ServiceDefaults;
using PiiMasking.Tink;

namespace PiiMasking.MaskingService.Erasure;

/// <summary>The verb <c>erasure reapply</c>: does on a restored database what was done since its backup.</summary>
internal static class ErasureCommand
{
    private const int Applied = 0;
    private const int NotApplied = 1;
    private const int SomeNotApplied = 2;
    private const int ReceiptsAtOnce = 200;
    private const int LongestLine = 10_000;
    private static readonly TimeSpan OtherIsAtIt = TimeSpan.FromMilliseconds(200);

    /// <summary>The verb on the process's own input and output, configured by environment variables.</summary>
    public static Command Create() => Create(Terminal.OfProcess(), new ConfigurationBuilder().AddEnvironmentVariables().Build());

    /// <summary>The verb on any input, output and configuration.</summary>
    public static Command Create(Terminal terminal, IConfiguration configuration)
    {
        var reapply = new Command(
            "reapply",
            """
            Reads receipts of erasures from standard input, a line each, and erases again what a restored database still has. Receipts that
            were applied before change nothing, so all there are may be given. Connects and reads keysets as the service does. Exit code 0:
            all are applied; 2: some lines are no receipts of this service and are named, the others are applied; 1: nothing is known.

            Run it before the service is started on the restored database: a login of the day of the erasure is taken for one from before.

              MaskingService erasure reapply < receipts.jsonl
            """);
        reapply.SetAction((_, stopping) => GuardAsync(terminal, () => ReapplyAsync(terminal, configuration, stopping)));
        return new Command("erasure", "Users that were erased.") { reapply };
    }

    private static async Task<int> ReapplyAsync(Terminal terminal, IConfiguration configuration, CancellationToken stopping)
    {
        await using var services = Services(configuration);
        if (await services.GetRequiredService<IntegrityKeys>().ReadAsync(stopping) is { } problem)
            throw new KeySourceException(problem);
        await services.GetRequiredService<Keyring>().ReloadAsync(stopping);
        if (services.GetRequiredService<Keyring>() is { Current: null } keyring)
            throw new KeySourceException(keyring.Problem ?? "The keysets could not be read.");

        var (receipts, bad) = await ReadAsync(terminal, services.GetRequiredService<IntegrityKeys>().Require(), stopping);
        var applied = 0;
        foreach (var chunk in receipts.Chunk(ReceiptsAtOnce))
            applied += await InsertAsync(services, chunk, stopping);
        await CompleteAsync(services, stopping);

        await using var output = new StreamWriter(terminal.Output, leaveOpen: true);
        await output.WriteLineAsync($"{applied} erasures were applied, {receipts.Count - applied} were there already.");
        foreach (var line in bad)
            await terminal.Notes.WriteLineAsync($"erasure reapply: line {line} is no receipt that was made with this integrity keyset.");
        return bad.Count == 0 ? Applied : SomeNotApplied;
    }

    private static async Task<(List<ErasureReceipt> Receipts, List<int> BadLines)> ReadAsync(
        Terminal terminal, Mac mac, CancellationToken stopping)
    {
        var receipts = new Dictionary<Guid, ErasureReceipt>();
        var bad = new List<int>();
        using var input = new StreamReader(terminal.Input, Encoding.UTF8, leaveOpen: true);
        for (var number = 1; await input.ReadLineAsync(stopping) is { } line; number++)
        {
            if (string.IsNullOrWhiteSpace(line))
                continue;
            if (TryRead(line) is { } receipt && receipt.IsGenuine(mac))
                receipts[receipt.ErasureId] = receipt;
            else
                bad.Add(number);
        }

        return ([.. receipts.Values], bad);
    }

    private static ErasureReceipt? TryRead(string line)
    {
        try
        {
            return line.Length <= LongestLine ? JsonSerializer.Deserialize(line, ErasureJson.Default.ErasureReceipt) : null;
        }
        catch (JsonException)
        {
            return null;   // its message quotes the line
        }
    }

    /// <summary>Fingerprints first, as when they were made.</summary>
    private static async Task<int> InsertAsync(IServiceProvider services, ErasureReceipt[] receipts, CancellationToken stopping)
    {
        var inserted = 0;
        await services.GetRequiredService<AuditLog>().AppendAsync(subject: null, InsertAllAsync, stopping);
        return inserted;

        async Task<AuditEntry> InsertAllAsync(NpgsqlConnection connection, CancellationToken cancellation)
        {
            await ErasureStore.LockOutWritersAsync(connection, cancellation);
            foreach (var receipt in receipts)
            {
                var erasure = new PendingErasure(
                    receipt.ErasureId, receipt.Fingerprint, receipt.KeyId, receipt.ErasedAt, IsReapplied: true, UserId: null);
                inserted += await ErasureStore.TryInsertAsync(connection, erasure, cancellation) ? 1 : 0;
            }

            return new AuditEntry(new Caller(null, "erasure reapply", null), AuditAction.Erasure, AuditOutcome.Granted)
            {
                Target = "receipts",
                Detail = string.Create(CultureInfo.InvariantCulture, $"applied={inserted} known={receipts.Length - inserted}"),
                Fingerprints = [.. receipts.SelectMany(receipt => receipt.Fingerprint)],
            };
        }
    }

    private static async Task CompleteAsync(IServiceProvider services, CancellationToken stopping)
    {
        var eraser = services.GetRequiredService<Eraser>();
        while (!await eraser.CompleteAsync(stopping))
            await Task.Delay(OtherIsAtIt, services.GetRequiredService<TimeProvider>(), stopping);
    }

    /// <summary>What an erasure needs of the service; nothing of it is started.</summary>
    private static ServiceProvider Services(IConfiguration configuration)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new());
        builder.Configuration.AddConfiguration(configuration);
        builder.AddKeysets();
        builder.AddStorage();
        builder.AddPeople();
        builder.AddErasure();
        return builder.Services.BuildServiceProvider();
    }

    private static async Task<int> GuardAsync(Terminal terminal, Func<Task<int>> run)
    {
        try
        {
            return await run();
        }
        catch (Exception e) when (e is KeySourceException or KeysetException or StartupException or PeopleUnavailableException)
        {
            await terminal.Notes.WriteLineAsync($"erasure reapply: {e.Message}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            await terminal.Notes.WriteLineAsync($"erasure reapply: receipts cannot be read or written ({e.GetType().Name}).");
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException)
        {
            await terminal.Notes.WriteLineAsync($"erasure reapply: {DatabaseProblem.Describe(e)}");
        }

        return NotApplied;
    }
}
