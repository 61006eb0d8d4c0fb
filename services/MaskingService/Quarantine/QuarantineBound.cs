using System.Diagnostics.Metrics;
using System.Globalization;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;
using Npgsql;
using PiiMasking.MaskingService.Logins;
using PiiMasking.MaskingService.Storage;

namespace PiiMasking.MaskingService.Quarantine;

/// <summary>
/// Keeps the quarantine within its bound. A message that is no login may not be dropped, and there is no room for it: so nothing more is
/// consumed, everything waits in the queue, and the service says so by being not ready. Good logins wait as well: a component that saw
/// them get through would take the others for poison and give them to the dead-letter queue, which forgets.
/// </summary>
/// <remarks>
/// The size is asked for every second, so that what other replicas add and people take out is known here. Up to that age, and by what is in
/// work, the bound may be overshot.
/// </remarks>
internal sealed class QuarantineBound(
    NpgsqlDataSource database, IOptions<QuarantineOptions> options, TimeProvider time, IMeterFactory meters, ILogger<QuarantineBound> logger)
    : BackgroundService, IHealthCheck
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private sealed record Size(long Messages, long Bytes);

    private enum Level
    {
        Room,
        FillingUp,
        Full,
    }

    private Size? size;
    private Level lastLevel;

    /// <summary>Why nothing may be consumed now; null while there is room.</summary>
    public string? Problem => Volatile.Read(ref size) switch
    {
        null => "the size of the quarantine is not known yet.",
        { } known when LevelOf(known) is Level.Full =>
            $"the quarantine is full ({Describe(known)}). Nothing is consumed, all messages wait in the queue. Replay or delete messages in "
            + "quarantine, or raise Quarantine:MaxMessages or Quarantine:MaxBytes.",
        _ => null,
    };

    /// <inheritdoc />
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(
            Problem is { } problem ? HealthCheckResult.Unhealthy(problem)
            : Volatile.Read(ref size) is { } known && LevelOf(known) is Level.FillingUp
                ? HealthCheckResult.Degraded($"the quarantine fills up ({Describe(known)}). At its bound nothing more is consumed.")
            : HealthCheckResult.Healthy());

    /// <summary>Counts what this replica has just committed, which is sooner known here than asked for.</summary>
    public void Added(long messages, long bytes)
    {
        while (messages > 0 && Volatile.Read(ref size) is { } known)
        {
            if (Interlocked.CompareExchange(ref size, new Size(known.Messages + messages, known.Bytes + bytes), known) == known)
                return;
        }
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var meter = meters.Create(LoginMetrics.MeterName);
        meter.CreateObservableGauge("pii.quarantine.messages", ObserveMessages, "{message}", "Messages in quarantine.");
        meter.CreateObservableGauge("pii.quarantine.payloads", ObserveBytes, "{byte}", "Bytes of sealed payloads in quarantine.");
        meter.CreateObservableGauge(
            "pii.quarantine.fill", ObserveFill, "{share}", "Share of the quarantine's bound that is taken; at 1 nothing is consumed.");

        using var timer = new PeriodicTimer(Interval, time);
        do
        {
            await AskAsync(stoppingToken);
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    private async Task AskAsync(CancellationToken stopping)
    {
        try
        {
            await using var command = database.CreateCommand("SELECT messages, bytes FROM quarantine_totals");
            await using var reader = await command.ExecuteReaderAsync(stopping);
            await reader.ReadAsync(stopping);
            var known = new Size(reader.GetInt64(0), reader.GetInt64(1));
            Volatile.Write(ref size, known);
            Say(known);
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException)
        {
            // What was known stays. A database that does not answer has its own check, and stores nothing meanwhile.
        }
    }

    private void Say(Size known)
    {
        var level = LevelOf(known);
        if (level == lastLevel)
            return;
        switch (level)
        {
            case Level.Full:
                logger.QuarantineFull(Describe(known));
                break;
            case Level.FillingUp:
                logger.QuarantineFillsUp(Describe(known));
                break;
            default:
                logger.QuarantineHasRoom(Describe(known));
                break;
        }

        lastLevel = level;
    }

    private IEnumerable<Measurement<long>> ObserveMessages() => Observe(known => known.Messages);

    private IEnumerable<Measurement<long>> ObserveBytes() => Observe(known => known.Bytes);

    private IEnumerable<Measurement<double>> ObserveFill() => Observe(FillOf);

    private IEnumerable<Measurement<T>> Observe<T>(Func<Size, T> value)
        where T : struct => Volatile.Read(ref size) is { } known ? [new Measurement<T>(value(known))] : [];

    private Level LevelOf(Size known) => FillOf(known) is var fill && fill >= 1 ? Level.Full
        : fill >= options.Value.WarnAt ? Level.FillingUp
        : Level.Room;

    private double FillOf(Size known) =>
        Math.Max((double)known.Messages / options.Value.MaxMessages, (double)known.Bytes / options.Value.MaxBytes);

    private string Describe(Size known) => string.Create(
        CultureInfo.InvariantCulture,
        $"{known.Messages} of {options.Value.MaxMessages} messages, {known.Bytes >> 20} of {options.Value.MaxBytes >> 20} MiB");
}
