using System.Net.Sockets;
using System.Security.Authentication;
using Npgsql;

namespace PiiMasking.MaskingService.Storage;

/// <summary>Says what is wrong with the database in words of our own: the server's messages can quote values.</summary>
internal static class DatabaseProblem
{
    /// <summary>One sentence that names the thing and the remedy, without any value.</summary>
    public static string Describe(Exception exception) => exception switch
    {
        PostgresException { SqlState: PostgresErrorCodes.InvalidPassword or PostgresErrorCodes.InvalidAuthorizationSpecification } =>
            "the database refuses the user or the password. Check ConnectionStrings and Storage:PasswordSecret.",
        PostgresException { SqlState: PostgresErrorCodes.InvalidCatalogName } =>
            "the database does not exist. Create it, then run 'MaskingService migrate'.",
        PostgresException { SqlState: PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.UndefinedFunction } =>
            "the database lacks tables of this version. Run 'MaskingService migrate'.",
        PostgresException { SqlState: PostgresErrorCodes.InsufficientPrivilege } e =>
            $"the user lacks a right{(e.TableName is { } table ? $" on {table}" : "")}. Make it a member of pii_writer, for people of pii_people as well (or, for migrate, the owner).",
        PostgresException { SqlState: PostgresErrorCodes.TooManyConnections } => "the database has no connection left. Raise max_connections or use a pooler.",
        PostgresException e => $"the database answered with SQLSTATE {e.SqlState}.",
        NpgsqlException { InnerException: SocketException e } => $"the database cannot be reached ({e.SocketErrorCode}). Is it running, and are host and port right?",
        NpgsqlException { InnerException: AuthenticationException } =>
            "the database's certificate is not the one expected. Check Host and Root Certificate in ConnectionStrings.",
        NpgsqlException { InnerException: TimeoutException } or TimeoutException => "the database did not answer in time.",
        _ => $"the database connection failed ({exception.GetType().Name}).",
    };
}
