using System.CommandLine;
using Npgsql;

namespace PiiMasking.MaskingService.Storage;

/// <summary>The verb <c>migrate</c>: brings the database to this version's schema, as a step of its own before the service starts.</summary>
internal static class MigrateCommand
{
    /// <summary>Builds the verb. It needs the owner's connection string, <c>ConnectionStrings__Owner</c>, and no Dapr.</summary>
    public static Command Create()
    {
        var command = new Command(
            "migrate",
            "Applies the missing migrations, in one transaction. Connects with ConnectionStrings__Owner: the role that is to own the tables, "
            + "which also needs CREATEROLE unless pii_writer, pii_people, pii_steward, pii_auditor and pii_analyst exist already.");
        command.SetAction((_, stopping) => RunAsync(stopping));
        return command;
    }

    private static async Task<int> RunAsync(CancellationToken stopping)
    {
        var configuration = new ConfigurationBuilder().AddEnvironmentVariables().Build();
        if (configuration.GetConnectionString("Owner") is not { Length: > 0 } connectionString)
            return await FailAsync("no connection string. Set ConnectionStrings__Owner, for example 'Host=…;Database=logins;Username=…;Password=…'.");

        try
        {
            await using var connection = new NpgsqlConnection(connectionString);
            await connection.OpenAsync(stopping);
            var applied = await Migrator.ApplyAsync(connection, stopping);
            foreach (var name in applied)
                await Console.Out.WriteLineAsync($"applied {name}");
            await Console.Out.WriteLineAsync(applied.Count == 0 ? "The schema is up to date." : $"{applied.Count} migrations applied.");
            return 0;
        }
        catch (MigrationException e)
        {
            return await FailAsync(e.Message);
        }
        catch (ArgumentException)
        {
            // Npgsql's own text would quote the connection string's parts.
            return await FailAsync("ConnectionStrings__Owner is not a valid Npgsql connection string.");
        }
        catch (NpgsqlException e)
        {
            return await FailAsync(DatabaseProblem.Describe(e));
        }
    }

    private static async Task<int> FailAsync(string problem)
    {
        await Console.Error.WriteLineAsync($"migrate: {problem}");
        return 1;
    }
}
