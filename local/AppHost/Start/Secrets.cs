using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using PiiMasking.Backing;
using PiiMasking.Tink;

namespace PiiMasking.AppHost;

/// <summary>The file behind the secret store <c>secrets</c>: development keysets and passwords, made once and kept.</summary>
/// <remarks>All values are strings: Dapr's local file store garbles or flattens everything else (a keyset is JSON inside a string).</remarks>
internal sealed class Secrets
{
    public const string MaskingKeyset = "masking-keyset";
    public const string ServicePasswordName = "postgres-password";
    public const string PeoplePasswordName = "postgres-people-password";
    public const string QuarantineKeyset = "quarantine-keyset";
    private const string IntegrityKeyset = "integrity-keyset";
    private const string PasswordOfSuperuser = "postgres-superuser-password";
    private const string PasswordOfAnalyst = "postgres-analyst-password";

    private static readonly JsonSerializerOptions Readable = new() { WriteIndented = true };

    private readonly string file;
    private readonly JsonObject values;

    private Secrets(string file, JsonObject values)
    {
        this.file = file;
        this.values = values;
    }

    /// <summary>Password of the login role that the masking service uses.</summary>
    public string ServicePassword => this[ServicePasswordName];

    /// <summary>Password of the login role that the masking service serves people with.</summary>
    public string PeoplePassword => this[PeoplePasswordName];

    public string SuperuserPassword => this[PasswordOfSuperuser];

    /// <summary>Password of the login role that people look at the masked rows with.</summary>
    public string AnalystPassword => this[PasswordOfAnalyst];

    public string this[string name] =>
        values[name] is JsonValue value && value.TryGetValue<string>(out var text) && text.Length > 0
            ? text
            : throw new BackingException($"{file} has no string \"{name}\": put it back, or start from nothing with --reset.");

    /// <summary>Reads the file; makes it if there is no data yet either.</summary>
    /// <exception cref="BackingException">It is missing although there is data, is not JSON, or lacks one of its values.</exception>
    public static async Task<Secrets> EnsureAsync(State state, CancellationToken stopping)
    {
        if (!File.Exists(state.Secrets))
        {
            if (Directory.Exists(state.Postgres))
            {
                throw new BackingException(
                    $"{state.Secrets} is missing, and without its keysets the tokens in {state.Postgres} do not open: "
                    + "put it back, or start from nothing with --reset.");
            }

            var fresh = new Secrets(state.Secrets, new JsonObject
            {
                [MaskingKeyset] = NewKeyset(KeyKind.DeterministicAead),
                [QuarantineKeyset] = NewKeyset(KeyKind.Aead),
                [IntegrityKeyset] = NewKeyset(KeyKind.Mac),
                [ServicePasswordName] = NewPassword(),
                [PeoplePasswordName] = NewPassword(),
                [PasswordOfSuperuser] = NewPassword(),
                [PasswordOfAnalyst] = NewPassword(),
            });
            await fresh.WriteAsync(stopping);
            return fresh;
        }

        var secrets = new Secrets(state.Secrets, await ReadAsync(state.Secrets, stopping));
        foreach (var name in new[] { MaskingKeyset, QuarantineKeyset, ServicePasswordName, PasswordOfSuperuser, PasswordOfAnalyst })
            _ = secrets[name];
        // What people need came later; files from before lack it.
        if (secrets.values.TryAdd(IntegrityKeyset, NewKeyset(KeyKind.Mac)) | secrets.values.TryAdd(PeoplePasswordName, NewPassword()))
            await secrets.WriteAsync(stopping);
        return secrets;
    }

    /// <summary>Writes where this run's queue is, which the component reads from the same store.</summary>
    public async Task PointToQueueAsync(Uri endpoint, CancellationToken stopping)
    {
        values["sqs-endpoint"] = endpoint.ToString();
        values["sqs-access-key"] = "local";
        values["sqs-secret-key"] = "local";
        await WriteAsync(stopping);
    }

    private static string NewKeyset(KeyKind kind)
    {
        using var keyset = Keyset.Generate(kind);
        return Encoding.UTF8.GetString(keyset.ToJson());
    }

    // URL-safe, so that it can stand in a connection URL as it is.
    private static string NewPassword() => RandomNumberGenerator.GetHexString(32, lowercase: true);

    private static async Task<JsonObject> ReadAsync(string file, CancellationToken stopping)
    {
        try
        {
            return JsonNode.Parse(await File.ReadAllTextAsync(file, stopping)) as JsonObject
                ?? throw new BackingException($"{file} is not a JSON object: put it right, or start from nothing with --reset.");
        }
        catch (JsonException error)
        {
            // Its message may quote the file.
            throw new BackingException(
                $"{file} is not valid JSON (line {error.LineNumber + 1}): put it right, or start from nothing with --reset.");
        }
    }

    private Task WriteAsync(CancellationToken stopping) =>
        PrivateFiles.WriteAsync(file, values.ToJsonString(Readable) + "\n", stopping);
}
