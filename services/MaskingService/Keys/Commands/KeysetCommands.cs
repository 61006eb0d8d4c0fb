using System.CommandLine;
using System.Globalization;
using System.Text;
using PiiMasking.MaskingService.Keys.Commands;
using PiiMasking.ServiceDefaults;
using PiiMasking.Tink;

namespace PiiMasking.MaskingService.Keys;

/// <summary>The verb <c>keyset</c>: makes and changes keysets. It prints, the operator stores.</summary>
internal static class KeysetCommands
{
    private static readonly Dictionary<string, KeyKind> Kinds = new()
    {
        ["masking"] = KeyKind.DeterministicAead,
        ["quarantine"] = KeyKind.Aead,
        ["integrity"] = KeyKind.Mac,
    };

    /// <summary>The verb on the process's own input and output.</summary>
    /// <param name="more">Verbs that look into the database as well.</param>
    public static Command Create(params Command[] more) => Create(Terminal.OfProcess(), more);

    /// <summary>The verb on any input and output.</summary>
    public static Command Create(Terminal terminal, params Command[] more)
    {
        var keyset = new Command("keyset",
            """
            Makes and changes keysets: Tink JSON, one keyset a purpose.

            Every command reads a keyset from --in or standard input and writes the new one to --out or standard output; nothing else
            is printed there. So they compose, and the store is yours to choose:

              MaskingService keyset new --kind masking --out masking.json
              MaskingService keyset rotate --in masking.json | MaskingService keyset list
              MaskingService keyset new --kind masking | MaskingService keyset wrap --public-key kek.json \
                | az keyvault secret set --vault-name contoso --name masking-keyset --file /dev/stdin --encoding utf-8

            A keyset is as good as all the data that it masked. Whoever has it can open every token; lose it, and nobody can.
            """)
        {
            New(terminal),
            Rotate(terminal),
            Promote(terminal),
            Status(terminal, "disable", KeyStatus.Disabled,
                "Takes a key out of use. Its tokens do not open any more, but the key can be enabled again; do this first and "
                    + "wait, before you destroy it."),
            Status(terminal, "enable", KeyStatus.Enabled, "Puts a disabled key back into use."),
            List(terminal),
            Wrap(terminal),
            Unwrap(terminal),
            Open(terminal),
        };
        foreach (var command in more)
            keyset.Add(command);
        return keyset;
    }

    /// <summary>A key's status in words.</summary>
    public static string Word(KeyStatus status) => status switch
    {
        KeyStatus.Enabled => "enabled",
        KeyStatus.Disabled => "disabled",
        _ => "destroyed",
    };

    /// <summary>A keyset's kind, as the commands name it.</summary>
    public static string NameOf(KeyKind kind) => Kinds.First(its => its.Value == kind).Key;

    private static Command New(Terminal terminal)
    {
        var kind = new Option<string>("--kind", "-k")
        {
            Description = "masking: AES256_SIV, equal values give equal tokens. quarantine: AES256_GCM, seals rejected messages. "
                + "integrity: HMAC-SHA256, chains the audit trail",
            Required = true,
        };
        kind.AcceptOnlyFromAmong([.. Kinds.Keys]);
        var files = new KeysetFiles(terminal);
        return Verb(terminal, "new",
            "Makes a keyset with one new key. Store the text as one string: never as a JSON object, which secret stores take apart.",
            [kind, files.Out], [], async (arguments, stopping) =>
            {
                using var keyset = Keyset.Generate(Kinds[arguments.GetRequiredValue(kind)]);
                await files.WriteAsync(arguments, keyset, stopping);
                await terminal.Notes.WriteLineAsync($"Made key {keyset.PrimaryKeyId}.");
            });
    }

    private static Command Rotate(Terminal terminal)
    {
        var standby = new Option<bool>("--standby")
        {
            Description = "Adds the key without making it primary, so that every replica can learn it first; 'promote' does the rest",
        };
        var files = new KeysetFiles(terminal);
        return Verb(terminal, "rotate", "Adds a new key and makes it primary. Older keys stay enabled, so their tokens still open.",
            [standby, files.In, files.Out], [], async (arguments, stopping) =>
            {
                using var keyset = await files.ReadAsync(arguments, stopping);
                using var rotated = keyset.WithNewKey(makePrimary: !arguments.GetValue(standby));
                await files.WriteAsync(arguments, rotated, stopping);
                await terminal.Notes.WriteLineAsync($"Added key {rotated.Keys[^1].Id}; the primary key is {rotated.PrimaryKeyId}.");
            });
    }

    private static Command Promote(Terminal terminal) => Change(
        terminal, "promote", "Makes an enabled key primary.",
        (keyset, keyId) => keyset.WithPrimary(keyId), keyId => $"The primary key is {keyId}.");

    private static Command Status(Terminal terminal, string name, KeyStatus status, string description) => Change(
        terminal, name, description, (keyset, keyId) => keyset.WithStatus(keyId, status), keyId => $"Key {keyId} is {Word(status)}.");

    private static Command Change(
        Terminal terminal, string name, string description, Func<Keyset, uint, Keyset> change, Func<uint, string> note)
    {
        var keyId = KeyId();
        var files = new KeysetFiles(terminal);
        return Verb(terminal, name, description, [files.In, files.Out], [keyId], async (arguments, stopping) =>
        {
            using var keyset = await files.ReadAsync(arguments, stopping);
            using var changed = change(keyset, arguments.GetValue(keyId));
            await files.WriteAsync(arguments, changed, stopping);
            await terminal.Notes.WriteLineAsync(note(arguments.GetValue(keyId)));
        });
    }

    private static Command List(Terminal terminal)
    {
        var files = new KeysetFiles(terminal);
        return Verb(terminal, "list",
            "Prints a keyset's keys: id, the first characters of every token made with it, status. Never key bytes.",
            [files.In], [], async (arguments, stopping) =>
            {
                using var keyset = await files.ReadAsync(arguments, stopping);
                var text = new StringBuilder();
                text.Append(CultureInfo.InvariantCulture, $"{NameOf(keyset.Kind)} keyset, primary key {keyset.PrimaryKeyId}\n");
                text.Append(CultureInfo.InvariantCulture, $"{"KEY ID",-12}{"TOKENS START",-14}STATUS\n");
                foreach (var key in keyset.Keys)
                {
                    text.Append(CultureInfo.InvariantCulture, $"{key.Id,-12}{TokenStart(key.Id),-14}{Word(key.Status)}");
                    text.Append(key.IsPrimary ? ", primary\n" : "\n");
                }
                await terminal.Output.WriteAsync(Encoding.UTF8.GetBytes(text.ToString()), stopping);
                await terminal.Output.FlushAsync(stopping);
            });
    }

    private static Command Wrap(Terminal terminal)
    {
        var publicKey = new Option<FileInfo>("--public-key", "-p")
        {
            Description = "File with the vault key's public half: PEM, a JWK, or what 'az keyvault key show' prints",
            HelpName = "FILE",
            Required = true,
        };
        var keyId = new Option<string?>("--kid")
        {
            Description = "The vault key's URL with version; a JWK and 'az keyvault key show' bring their own",
            HelpName = "URL",
        };
        var files = new KeysetFiles(terminal);
        return Verb(terminal, "wrap",
            """
            Wraps a keyset for a key-encryption key, as JWE (RSA-OAEP-256, A256GCM). Needs the public half only, and no network:

              az keyvault key show --vault-name contoso --name masking-kek > kek.json
              MaskingService keyset wrap --public-key kek.json --in masking.json
            """,
            [publicKey, keyId, files.In, files.Out], [], async (arguments, stopping) =>
            {
                using var text = await files.ReadTextAsync(arguments, stopping);
                // Whatever is no keyset now would be found out only by the service that opens it.
                Keyset.Parse(text.Span).Dispose();
                var (key, kid) = PublicKeyFile.Read(arguments.GetRequiredValue(publicKey), arguments.GetValue(keyId));
                using (key)
                    await files.WriteAsync(arguments, Encoding.ASCII.GetBytes(Jwe.Wrap(text.Span, key, kid)), stopping);
                await terminal.Notes.WriteLineAsync($"Wrapped for {kid}.");
            });
    }

    private static Command Unwrap(Terminal terminal)
    {
        var vault = new Option<string?>("--vault")
        {
            Description = "Address of the Key Vault, such as https://contoso.vault.azure.net",
            HelpName = "URL",
        };
        var keyName = new Option<string?>("--key-name") { Description = "Name of the vault's key", HelpName = "NAME" };
        var kek = new Option<FileInfo?>("--kek")
        {
            Description = "In place of a vault: PEM file with the RSA private key",
            HelpName = "FILE",
        };
        var files = new KeysetFiles(terminal);
        return Verb(terminal, "unwrap",
            """
            Opens a wrapped keyset, so that it can be changed and wrapped again. Key Vault does it for who may
            call keys/unwrapKey (az login):

              MaskingService keyset unwrap --vault https://contoso.vault.azure.net --key-name masking-kek --in masking.jwe \
                | MaskingService keyset rotate --standby \
                | MaskingService keyset wrap --public-key kek.json --out masking.new.jwe
            """,
            [vault, keyName, kek, files.In, files.Out], [], async (arguments, stopping) =>
            {
                using var stored = await files.ReadAnyAsync(arguments, stopping);
                using var keks = KeyEncryptionKeys.From(
                    arguments.GetValue(vault), arguments.GetValue(keyName), arguments.GetValue(kek)?.FullName);
                var jwe = Jwe.Parse(stored.Span.Trim(" \t\r\n"u8));
                using var content = await keks.OpenAsync(jwe, stopping);
                using var keyset = Keyset.Parse(content.Span);
                await files.WriteAsync(arguments, keyset, stopping);
            });
    }

    private static Command Open(Terminal terminal)
    {
        var keysetFile = new Option<FileInfo>("--in", "-i")
        {
            Description = "File with the masking keyset, in the clear",
            HelpName = "FILE",
            Required = true,
        };
        var field = new Option<string>("--field", "-f")
        {
            Description = "The field that the tokens are of: its name is part of every token",
            Required = true,
        };
        field.AcceptOnlyFromAmong(KeysetState.IpField, KeysetState.DeviceIdField);
        var yes = new Option<bool>("--yes", "-y") { Description = "Shows the values on a terminal too" };
        return Verb(terminal, "open",
            """
            Opens tokens: one a line from standard input, one value a line to standard output, padding trimmed. A token that does not open
            gives an empty line, and the exit code is 1. This shows personal data, and unlike a reveal through the service leaves no record:

              psql -Atc "SELECT masked_ip FROM user_logins LIMIT 5" | MaskingService keyset open --in masking.json --field ip > ips.txt
            """,
            [keysetFile, field, yes], [], async (arguments, stopping) =>
            {
                if (terminal.OutputIsTerminal && !arguments.GetValue(yes))
                    throw new KeySourceException("This would show personal data on the terminal. Send the output to a file or "
                        + "another program, or say --yes.");

                await using var file = KeysetFiles.Open(arguments.GetRequiredValue(keysetFile));
                await new TokenOpener(terminal).RunAsync(file, arguments.GetRequiredValue(field), stopping);
            });
    }

    /// <summary>The key that a verb is about.</summary>
    public static Argument<uint> KeyId() => new("key-id")
    {
        Description = "Id of the key, as 'list' prints it",
        CustomParser = result =>
        {
            if (uint.TryParse(result.Tokens[0].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var keyId))
                return keyId;
            result.AddError("A key id is a number from 1 to 4294967295, as 'keyset list' prints it.");
            return 0;
        },
    };

    /// <summary>A verb that says what went wrong in one line.</summary>
    public static Command Verb(
        Terminal terminal,
        string name,
        string description,
        IEnumerable<Option> options,
        IEnumerable<Argument> arguments,
        Func<ParseResult, CancellationToken, Task> run)
    {
        var command = new Command(name, description);
        foreach (var argument in arguments)
            command.Add(argument);
        foreach (var option in options)
            command.Add(option);
        command.SetAction(async (parsed, stopping) =>
        {
            try
            {
                await run(parsed, stopping);
                return 0;
            }
            catch (Exception e) when (e is KeySourceException or KeysetException or StartupException
                or IOException or UnauthorizedAccessException)
            {
                await terminal.Notes.WriteLineAsync($"keyset {name}: {e.Message}");
                return 1;
            }
        });
        return command;
    }

    /// <summary>0x01 and the top 28 bits of the id, as base64.</summary>
    private static string TokenStart(uint keyId) =>
        Convert.ToBase64String([1, (byte)(keyId >> 24), (byte)(keyId >> 16), (byte)(keyId >> 8), (byte)keyId, 0])[..6];
}
