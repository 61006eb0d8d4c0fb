using System.CommandLine;
using System.Globalization;
using System.Text;
using Npgsql;
using PiiMasking.MaskingService.Keys;
using PiiMasking.MaskingService.Keys.Commands;
using PiiMasking.MaskingService.Storage;
using PiiMasking.Tink;

namespace PiiMasking.MaskingService.Rotation;

/// <summary>The verbs <c>keyset proof</c> and <c>keyset destroy</c>: whether a key is needed, and its end.</summary>
internal static class KeyProofCommands
{
    /// <summary>The verbs on any input, output and configuration.</summary>
    public static Command[] Create(Terminal terminal, IConfiguration configuration) => [Proof(terminal, configuration), Destroy(terminal, configuration)];

    private static Command Proof(Terminal terminal, IConfiguration configuration)
    {
        var files = new KeysetFiles(terminal);
        return KeysetCommands.Verb(terminal, "proof",
            """
            Says for each key of a keyset what in the database still needs it. Reads every login; connects with
            ConnectionStrings__Rotation, else as the service does.
            """,
            [files.In], [], async (arguments, stopping) =>
            {
                using var keyset = await files.ReadAsync(arguments, stopping);
                var proof = await ReadAsync(configuration, stopping);
                var (kind, text) = (KeysetCommands.NameOf(keyset.Kind), new StringBuilder());
                foreach (var key in keyset.Keys)
                {
                    text.Append(CultureInfo.InvariantCulture, $"Key {key.Id} of the {kind} keyset, {KeysetCommands.Word(key.Status)}");
                    text.Append(key.IsPrimary ? " and primary: " : ": ");
                    text.Append(proof.NeedsOf(kind, key.Id) is { } needs ? $"needed by {needs}"
                        : proof.FreeSince(kind, key.Id) is { } since
                            ? string.Create(CultureInfo.InvariantCulture, $"needed by nothing since {since:u}; a backup from before needs it")
                        : "needed by nothing");
                    text.Append('\n');
                }

                await terminal.Output.WriteAsync(Encoding.UTF8.GetBytes(text.ToString()), stopping);
                await terminal.Output.FlushAsync(stopping);
            });
    }

    private static Command Destroy(Terminal terminal, IConfiguration configuration)
    {
        var keyId = KeysetCommands.KeyId();
        var backups = new Option<DateTimeOffset?>("--backups-older-than")
        {
            Description = "You say with it that no backup of the database from before this date (UTC) is kept: such a one would not open any more",
            HelpName = "DATE",
            CustomParser = result =>
            {
                if (DateTimeOffset.TryParse(
                    result.Tokens[0].Value, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var date))
                {
                    return date;
                }

                result.AddError("--backups-older-than takes a date, such as 2026-11-22.");
                return null;
            },
        };
        var lose = new Option<bool>("--lose-what-needs-it")
        {
            Description = "Destroys the key without looking at any database: what is still under it, there or in a backup, is lost for good",
        };
        var files = new KeysetFiles(terminal);
        return KeysetCommands.Verb(terminal, "destroy",
            """
            Removes a key's bytes for good, once nothing needs them: what is under it, in backups too, never opens again. Only the id is
            kept, so that no other key gets it. Disable the key first, and wait until nobody misses it.

            Looks into the database (as 'keyset proof' does) and refuses while anything there is under the key:

              MaskingService keyset destroy 305419896 --backups-older-than 2026-12-01 --in masking.json --out masking.new.json
            """,
            [backups, lose, files.In, files.Out], [keyId], async (arguments, stopping) =>
            {
                using var keyset = await files.ReadAsync(arguments, stopping);
                using var changed = keyset.WithStatus(arguments.GetValue(keyId), KeyStatus.Destroyed);
                if (!arguments.GetValue(lose))
                    await RequireFreeAsync(configuration, keyset.Kind, arguments.GetValue(keyId), arguments.GetValue(backups), stopping);
                await files.WriteAsync(arguments, changed, stopping);
                await terminal.Notes.WriteLineAsync($"Key {arguments.GetValue(keyId)} is destroyed.");
            });
    }

    /// <exception cref="KeySourceException">Something needs the key, or it is not known that nothing does.</exception>
    private static async Task RequireFreeAsync(
        IConfiguration configuration, KeyKind kind, uint keyId, DateTimeOffset? backups, CancellationToken stopping)
    {
        if (backups is not { } kept)
        {
            throw new KeySourceException(
                "Say --backups-older-than DATE: backups of the database from before that date must be gone, since they need the key to open.");
        }

        var proof = await ReadAsync(configuration, stopping);
        var name = KeysetCommands.NameOf(kind);
        if (proof.NeedsOf(name, keyId) is { } needs)
            throw new KeySourceException($"Key {keyId} is still needed, by {needs}. Nothing is destroyed.");
        if (kept > TimeProvider.System.GetUtcNow())
            throw new KeySourceException("The date of --backups-older-than is yet to come. Nothing is destroyed.");
        if (proof.FreeSince(name, keyId) is { } since && kept < since)
        {
            throw new KeySourceException(string.Create(
                CultureInfo.InvariantCulture,
                $"Key {keyId} was needed until {since:u}, so backups up to then need it, and you keep some from after {kept:u}. Wait until they "
                + $"are gone. Nothing is destroyed."));
        }
    }

    private static async Task<KeyProof> ReadAsync(IConfiguration configuration, CancellationToken stopping)
    {
        try
        {
            await using var services = CommandServices.Create(configuration);
            await using var database = StorageFeature.CreateRotationDataSource(services);
            return await KeyProof.ReadAsync(database, stopping);
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException)
        {
            throw new KeySourceException($"What is under the key cannot be counted: {DatabaseProblem.Describe(e)}");
        }
    }
}
