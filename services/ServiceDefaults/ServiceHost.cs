using System.Net.Sockets;
using System.Reflection;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace PiiMasking.ServiceDefaults;

/// <summary>
/// Bad configuration or surroundings found while a program starts. Its message is all that its user gets to read: one line that names
/// the thing and the remedy, without a secret in it.
/// </summary>
public sealed class StartupException(string message, Exception? cause = null) : Exception(message, cause);

/// <summary>Runs a program so that a failure to start is one clear line on standard error and exit code 1.</summary>
public static class ServiceHost
{
    /// <summary>A web application's builder that finds its <c>appsettings.json</c> beside the program, whatever folder it was started from.</summary>
    public static WebApplicationBuilder CreateBuilder(string[] args) =>
        WebApplication.CreateBuilder(new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory });

    /// <summary>Builds a host, runs it until it is told to stop, and disposes of it.</summary>
    /// <param name="build">Makes the host; a bad option, a missing file or a port in use may surface here or when the host starts.</param>
    /// <returns>Exit code: 0 after an orderly stop, 1 if the host did not start or a background service of it failed.</returns>
    public static Task<int> RunAsync(Func<IHost> build) => GuardAsync(async () =>
    {
        var host = build();
        try
        {
            await host.StartAsync();
            var workers = host.Services.GetServices<IHostedService>().OfType<BackgroundService>().ToArray();
            await host.WaitForShutdownAsync();
            // The host has logged the failure and stopped itself; a supervisor must not take that for an orderly end.
            return workers.Any(worker => worker.ExecuteTask is { IsFaulted: true }) ? 1 : 0;
        }
        finally
        {
            if (host is IAsyncDisposable disposable)
                await disposable.DisposeAsync();
            else
                host.Dispose();
        }
    });

    /// <summary>Runs a command under the same guard, such as one that migrates a database and ends.</summary>
    /// <param name="command">Returns the exit code.</param>
    public static async Task<int> GuardAsync(Func<Task<int>> command)
    {
        try
        {
            return await command();
        }
        catch (Exception failure)
        {
            await Console.Error.WriteLineAsync(Describe(failure));
            return 1;
        }
    }

    private static string Describe(Exception failure)
    {
        var program = Assembly.GetEntryAssembly()?.GetName().Name;
        var cause = failure is AggregateException { InnerExceptions: [var only] } ? only : failure;
        return cause switch
        {
            OptionsValidationException options => $"{program}: bad configuration: {OneLine(string.Join("; ", options.Failures))}",
            StartupException => $"{program}: {OneLine(cause.Message)}",
            OperationCanceledException { InnerException: null } => $"{program}: stopped before it had started",
            // Wrong settings and surroundings: port in use, unreadable file, a value that is no number, a service that is not registered.
            IOException or SocketException or UnauthorizedAccessException or InvalidOperationException or FormatException or ArgumentException =>
                $"{program} cannot start: {OneLine(WithCauses(cause))}",
            // Nothing a user could put right by reading one line, so whoever looks into it gets the rest as well.
            _ => $"{program} failed: {OneLine(WithCauses(cause))}{Environment.NewLine}{cause.StackTrace}",
        };
    }

    private static string WithCauses(Exception failure)
    {
        var messages = new List<string>();
        for (var cause = failure; cause is not null; cause = cause.InnerException)
        {
            if (!messages.Any(message => message.Contains(cause.Message, StringComparison.OrdinalIgnoreCase)))
                messages.Add(cause.Message);
        }

        return string.Join(" ← ", messages);
    }

    private static string OneLine(string text) => text.ReplaceLineEndings(" ").Trim();
}
