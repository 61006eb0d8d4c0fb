using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace PiiMasking.Testing;

/// <summary>Keeps everything that is logged, at every level: message, every structured value, scopes, and exceptions in full.</summary>
/// <remarks>Add it with <c>builder.Logging.AddProvider(logs).SetMinimumLevel(LogLevel.Trace)</c>.</remarks>
public sealed class CapturedLogs : ILoggerProvider, ISupportExternalScope
{
    private readonly ConcurrentQueue<CapturedLine> lines = new();
    private IExternalScopeProvider scopes = new LoggerExternalScopeProvider();

    /// <summary>The lines so far, oldest first.</summary>
    public IReadOnlyCollection<CapturedLine> Lines => lines;

    /// <summary>All that was said, as one text to search in.</summary>
    public string Everything => string.Join('\n', lines.Select(line => line.Full));

    /// <inheritdoc />
    public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

    /// <inheritdoc />
    public void SetScopeProvider(IExternalScopeProvider scopeProvider) => scopes = scopeProvider;

    /// <inheritdoc />
    public void Dispose()
    {
    }

    private sealed class Logger(CapturedLogs logs, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => logs.scopes.Push(state);

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            var message = formatter(state, exception);
            var parts = new List<object?> { logLevel, category, eventId.Id, message };
            if (state is IEnumerable<KeyValuePair<string, object?>> values)
                parts.AddRange(values.Select(value => $"{value.Key}={value.Value}"));
            logs.scopes.ForEachScope(static (scope, all) => all.Add(scope), parts);
            parts.Add(exception);
            logs.lines.Enqueue(new CapturedLine(logLevel, category, eventId.Id, message, string.Join(" | ", parts)));
        }
    }
}

/// <summary>One logged line.</summary>
/// <param name="Level">How bad.</param>
/// <param name="Category">Whose.</param>
/// <param name="EventId">The number of its <c>[LoggerMessage]</c>.</param>
/// <param name="Message">The formatted message.</param>
/// <param name="Full">Message, structured values, scopes and exception.</param>
public sealed record CapturedLine(LogLevel Level, string Category, int EventId, string Message, string Full);
