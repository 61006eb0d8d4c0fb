using System.CommandLine;
using System.Globalization;
using System.Text;
using Microsoft.Extensions.Options;
using Npgsql;
using PiiMasking.MaskingService.Keys.Commands;
using PiiMasking.MaskingService.Storage;
using PiiMasking.ServiceDefaults;

namespace PiiMasking.MaskingService.Rotation;

/// <summary>The verb <c>rotation</c>: looks at a rotation of the masking key, holds it, and gives it up. It starts by itself.</summary>
internal static class RotationCommand
{
    private const int Tries = 10;

    private const string Pause = "UPDATE rotations SET paused = true WHERE phase IN ('copying', 'settling') RETURNING true";

    private const string Resume = """
        UPDATE rotations SET paused = false, may_restart = true
        WHERE number = (SELECT max(number) FROM rotations) AND (paused OR NOT may_restart) RETURNING true
        """;

    private const string Abandon = "SELECT abandon_rotation()";

    /// <summary>The verb on the process's own output, configured by environment variables.</summary>
    public static Command Create() => Create(Terminal.OfProcess(), new ConfigurationBuilder().AddEnvironmentVariables().Build());

    /// <summary>The verb on any output and configuration.</summary>
    public static Command Create(Terminal terminal, IConfiguration configuration)
    {
        return new Command(
            "rotation",
            """
            Looks at a rotation of the masking key, holds it, and gives it up. It starts by itself, when every replica has a new primary key
            (keyset rotate). Connects with ConnectionStrings__Rotation, else as the service does.
            """)
        {
            Verb("status", "Says under which key the table is, how far a rotation is, and which keys each replica has.", StatusAsync),
            Change("pause", "Holds a rotation after the logins that are being copied. What comes in is stored under both keys meanwhile.",
                Pause, "The rotation is paused.", "No rotation is being copied."),
            Change("resume", "Lets a paused rotation go on, or one that was abandoned start again.",
                Resume, "The rotation may go on.", "No rotation is paused or abandoned."),
            Change("abandon", "Gives a rotation up: the table stays under its key, the copy is dropped, and the new primary key starts no other "
                + "one until 'resume'. After the swap it is too late.",
                Abandon, "The rotation is abandoned.", "There is no rotation that can be abandoned."),
        };

        Command Change(string name, string description, string sql, string done, string nothing) => Verb(
            name, description, async (database, _, stopping) => await ChangeAsync(database, sql, stopping) ? (0, done) : (1, nothing));

        Command Verb(
            string name, string description, Func<NpgsqlDataSource, RotationOptions, CancellationToken, Task<(int ExitCode, string Text)>> run)
        {
            var command = new Command(name, description);
            command.SetAction(async (_, stopping) =>
            {
                try
                {
                    await using var services = CommandServices.Create(configuration);
                    await using var database = StorageFeature.CreateRotationDataSource(services);
                    var (exitCode, text) =
                        await run(database, services.GetRequiredService<IOptions<RotationOptions>>().Value, stopping);
                    await terminal.Output.WriteAsync(Encoding.UTF8.GetBytes(text + "\n"), stopping);
                    await terminal.Output.FlushAsync(stopping);
                    return exitCode;
                }
                catch (Exception e) when (e is NpgsqlException or TimeoutException)
                {
                    await terminal.Notes.WriteLineAsync($"rotation {name}: {DatabaseProblem.Describe(e)}");
                }
                catch (StartupException e)
                {
                    await terminal.Notes.WriteLineAsync($"rotation {name}: {e.Message}");
                }

                return 1;
            });
            return command;
        }
    }

    private static async Task<(int ExitCode, string Text)> StatusAsync(
        NpgsqlDataSource database, RotationOptions options, CancellationToken stopping)
    {
        var report = await RotationReport.ReadAsync(database, options.ReplicaGoneAfter, stopping);
        var text = new StringBuilder();
        text.Append(report.KeyId is { } keyId ? Line($"The table is under key {keyId}.") : "No keyset has claimed the database yet.");
        if (report.Rotation is { } rotation)
        {
            text.Append(Line($"\nRotation {rotation.Number}, from key {rotation.FromKeyId} to key {rotation.ToKeyId}: {rotation.Phase}"));
            text.Append(rotation.Paused ? ", paused" : "");
            text.Append(rotation.EndedAt is { } endedAt
                ? Line($" at {endedAt:u}; begun at {rotation.StartedAt:u}")
                : Line($", {rotation.Percent} %, {rotation.Copied} of about {rotation.Total} logins; begun at {rotation.StartedAt:u}"));
            text.Append(rotation.ExpectedEndAt is { } expected ? Line($", expected end {expected:u}") : "");
        }

        if (report.WaitsFor is { } reason)
            text.Append(Line($"\nA new primary key waits: {reason}"));
        foreach (var replica in report.Replicas)
            text.Append(Line(
                $"\nReplica {replica.ReplicaId}: primary key {replica.PrimaryKeyId}, knows {string.Join(", ", replica.KeyIds)}, seen {replica.SeenAt:u}"));
        return (0, text.ToString());

        static string Line(FormattableString line) => line.ToString(CultureInfo.InvariantCulture);
    }

    private static async Task<bool> ChangeAsync(NpgsqlDataSource database, string sql, CancellationToken stopping)
    {
        for (var tries = 1; ; tries++)
        {
            try
            {
                await using var command = database.CreateCommand(sql);
                return await command.ExecuteScalarAsync(stopping) is true;
            }
            catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.LockNotAvailable && tries < Tries)
            {
                // A chunk or a reader was in the way for a moment.
            }
        }
    }
}
