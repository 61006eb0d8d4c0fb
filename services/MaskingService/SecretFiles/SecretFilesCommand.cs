using System.CommandLine;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using PiiMasking.Tink;

namespace PiiMasking.MaskingService.SecretFiles;

/// <summary>
/// The verb <c>secret-files</c>: makes what a system on one machine needs before it starts for the first time, as docker-compose.yml does.
/// What is there is never changed, so it may run before every start.
/// </summary>
internal static class SecretFilesCommand
{
    /// <summary>In <c>--store</c>: the file of Dapr's secret store <c>secretstores.local.file</c>.</summary>
    public const string StoreFile = "secrets.json";

    /// <summary>In <c>--owner</c>: password of the database's owner.</summary>
    public const string OwnerPasswordFile = "owner-password";

    /// <summary>In <c>--owner</c>: the same as libpq and Npgsql take it (<c>Passfile=…</c>).</summary>
    public const string OwnerPassFile = "pgpass";

    /// <summary>In <c>--owner</c>, who gives it to the login role: password of the masking service.</summary>
    public const string ServicePasswordFile = "service-password";

    /// <summary>In <c>--owner</c>: the same of the login that people are served with.</summary>
    public const string PeoplePasswordFile = "people-password";

    private static readonly (string Secret, KeyKind Kind)[] Keysets =
    [
        ("masking-keyset", KeyKind.DeterministicAead), ("quarantine-keyset", KeyKind.Aead), ("integrity-keyset", KeyKind.Mac),
    ];

    /// <summary>Builds the verb.</summary>
    public static Command Create()
    {
        var store = new Option<DirectoryInfo>("--store")
        {
            Description = $"Folder for {StoreFile}: the three keysets and the service's passwords, for Dapr's secretstores.local.file",
            HelpName = "FOLDER",
            Required = true,
        };
        var owner = new Option<DirectoryInfo>("--owner")
        {
            Description = $"Folder for {OwnerPasswordFile}, {OwnerPassFile}, {ServicePasswordFile}, {PeoplePasswordFile}: for the owner",
            HelpName = "FOLDER",
            Required = true,
        };
        var command = new Command(
            "secret-files",
            """
            Makes keysets and passwords in files, once: those that are there stay as they are. For a system on one machine, with
            folders that are mounted only where they are needed. In production, make keysets with 'keyset',
            wrap them, and store them in a vault.
            """)
        {
            store, owner,
        };
        command.SetAction(async (arguments, stopping) =>
        {
            try
            {
                await MakeAsync(arguments.GetRequiredValue(store), arguments.GetRequiredValue(owner), stopping);
                return 0;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                await Console.Error.WriteLineAsync($"secret-files: {e.Message}");
                return 1;
            }
        });
        return command;
    }

    private static async Task MakeAsync(DirectoryInfo store, DirectoryInfo owner, CancellationToken stopping)
    {
        var ownerPassword = await ReadOrMakeAsync(owner, OwnerPasswordFile, NewPassword, stopping);
        await ReadOrMakeAsync(owner, OwnerPassFile, () => $"*:*:*:*:{ownerPassword}\n", stopping);
        var servicePassword = await ReadOrMakeAsync(owner, ServicePasswordFile, NewPassword, stopping);
        var peoplePassword = await ReadOrMakeAsync(owner, PeoplePasswordFile, NewPassword, stopping);
        // Last: a start that was cut short must not leave keysets behind whose database then gets others.
        await ReadOrMakeAsync(store, StoreFile, () => NewStore(servicePassword, peoplePassword), stopping);
    }

    private static async Task<string> ReadOrMakeAsync(DirectoryInfo folder, string name, Func<string> make, CancellationToken stopping)
    {
        var file = Path.Combine(folder.FullName, name);
        if (File.Exists(file))
        {
            await Console.Out.WriteLineAsync($"{file} is there");
            return await File.ReadAllTextAsync(file, stopping);
        }

        var text = make();
        var draft = file + ".new";
        File.Delete(draft);
        // Its readers run as other users: who gets to see it is decided by where the folder is mounted.
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
        await using (var stream = new FileStream(draft, options))
        {
            await stream.WriteAsync(Encoding.UTF8.GetBytes(text), stopping);
            stream.Flush(flushToDisk: true);
        }

        File.Move(draft, file);
        await Console.Out.WriteLineAsync($"{file} made");
        return text;
    }

    /// <summary>All values are strings, a keyset one of them: Dapr's local file store flattens objects and garbles numbers.</summary>
    private static string NewStore(string servicePassword, string peoplePassword)
    {
        var secrets = new JsonObject { ["postgres-password"] = servicePassword, ["postgres-people-password"] = peoplePassword };
        foreach (var (secret, kind) in Keysets)
        {
            using var keyset = Keyset.Generate(kind);
            secrets[secret] = Encoding.UTF8.GetString(keyset.ToJson());
        }

        return secrets.ToJsonString();
    }

    // Hexadecimal, so that it needs no quoting anywhere.
    private static string NewPassword() => RandomNumberGenerator.GetHexString(48, lowercase: true);
}
