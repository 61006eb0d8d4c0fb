using System.CommandLine;
using Npgsql;
using PiiMasking.MaskingService.Keys;
using PiiMasking.MaskingService.Keys.Commands;
using PiiMasking.MaskingService.Storage;
using PiiMasking.Tink;

namespace PiiMasking.MaskingService.Audit;

/// <summary>The verb <c>audit verify</c>: proves that the audit is what was written, or names the first record that is not.</summary>
internal static class AuditCommand
{
    private const int Verified = 0;
    private const int NotChecked = 1;
    private const int Broken = 2;
    private const int LargestKeyset = 1024 * 1024;

    /// <summary>The verb on the process's own input and output, configured by environment variables.</summary>
    public static Command Create() => Create(Terminal.OfProcess(), new ConfigurationBuilder().AddEnvironmentVariables().Build());

    /// <summary>The verb on any input, output and configuration.</summary>
    public static Command Create(Terminal terminal, IConfiguration configuration)
    {
        var keyset = new Option<string?>("--keyset", "-k")
        {
            Description = "File with the integrity keyset in the clear, or - for standard input. Absent: the service's own secret store",
            HelpName = "FILE",
        };
        var head = new Option<string?>("--head")
        {
            Description = "A head that was kept outside of the database, as the service logs it every minute",
            HelpName = "HEAD",
        };
        var verify = new Command(
            "verify",
            """
            Checks every record of the audit, from the first on. Exit code 0: all of them are what was written; 2: the first one that is not
            is named; 1: it could not be checked.

            Connects with ConnectionStrings__Auditor (a member of pii_auditor), else as the service does.

              MaskingService audit verify --keyset integrity.json --head "$(sed -n 's/.*Audit head, .*: //p' masking.log | tail -1)"
            """) { keyset, head };
        verify.SetAction((arguments, stopping) => GuardAsync(terminal, () =>
            VerifyAsync(terminal, configuration, arguments.GetValue(keyset), arguments.GetValue(head), stopping)));
        return new Command("audit", "The audit of what people did with personal values.") { verify };
    }

    private static async Task<int> VerifyAsync(Terminal terminal, IConfiguration configuration, string? keysetFile, string? headText,
        CancellationToken stopping)
    {
        await using var services = CommandServices.Create(configuration);
        using var keyset = await ReadKeysetAsync(terminal, services, keysetFile, stopping);
        using var mac = new Mac(keyset);
        AuditHead? head = null;
        if (headText is not null && (head = AuditHead.Read(headText, mac)) is null)
            throw new KeySourceException("The head was not signed with this integrity keyset. Copy it whole from the log, or load the "
                + "keyset that it was signed with.");

        await using var database = configuration.GetConnectionString("Auditor") is { Length: > 0 } text
            ? NpgsqlDataSource.Create(text)
            : StorageFeature.CreatePeopleDataSource(services);
        await using var connection = await database.OpenConnectionAsync(stopping);
        return await ReportAsync(terminal, await AuditChain.VerifyAsync(connection, mac, head, stopping), head, mac);
    }

    private static async Task<int> ReportAsync(Terminal terminal, ChainOutcome outcome, AuditHead? head, Mac mac)
    {
        await using var output = new StreamWriter(terminal.Output, leaveOpen: true);
        if (outcome is ChainOutcome.Broken broken)
        {
            await output.WriteLineAsync($"Record {broken.Number} {broken.Problem}");
            return Broken;
        }

        var (end, cut) = (ChainOutcome.Intact)outcome;
        if (cut > 0)
            await output.WriteLineAsync($"Records 1 to {cut} are gone by retention; the service verified them before and signed for it.");
        await output.WriteLineAsync(end.Number == 0 ? "There are no records."
            : $"Records {cut + 1} to {end.Number} are what was written, in their order, and none is missing.");
        await output.WriteLineAsync(
            head is null
                ? $"Not proved without a head (--head): that there was nothing after record {end.Number}. Whoever can write to the "
                + "database could have cut it off."
            : head.Number < end.Number
                ? $"Not proved by a head of record {head.Number}: that there was nothing after record {end.Number}. "
                + "A later head proves more."
                : $"The head is the end: nothing was cut off after record {end.Number} up to when the head was made.");
        await output.WriteLineAsync($"Head: {end.Sign(mac)}");
        return Verified;
    }

    private static async Task<Keyset> ReadKeysetAsync(Terminal terminal, IServiceProvider services, string? file,
        CancellationToken stopping)
    {
        if (file is null)
        {
            var options = services.GetRequiredService<Microsoft.Extensions.Options.IOptions<KeyOptions>>().Value;
            return await services.GetRequiredService<KeysetSource>().ReadAsync(options.Integrity, KeyKind.Mac, stopping);
        }

        await using var opened = file == "-" ? null : KeysetFiles.Open(new FileInfo(file));
        using var text = await SecretBuffer.ReadAsync(opened ?? terminal.Input, LargestKeyset, stopping)
            ?? throw new KeySourceException("The input is larger than 1 MiB, so it is no keyset.");
        return Keyset.Parse(text.Span);
    }

    private static async Task<int> GuardAsync(Terminal terminal, Func<Task<int>> run)
    {
        try
        {
            return await run();
        }
        catch (Exception e) when (e is KeySourceException or KeysetException or IOException or UnauthorizedAccessException
            or ServiceDefaults.StartupException)
        {
            await terminal.Notes.WriteLineAsync($"audit verify: {e.Message}");
        }
        catch (ArgumentException)
        {
            // Npgsql's own text can quote parts of the string.
            await terminal.Notes.WriteLineAsync("audit verify: ConnectionStrings__Auditor is not a valid Npgsql connection string.");
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException)
        {
            await terminal.Notes.WriteLineAsync($"audit verify: {DatabaseProblem.Describe(e)}");
        }

        return NotChecked;
    }
}
