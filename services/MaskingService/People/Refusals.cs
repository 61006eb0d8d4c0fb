using Microsoft.Extensions.Options;
using Npgsql;
using PiiMasking.MaskingService.Audit;
using PiiMasking.MaskingService.Storage;

namespace PiiMasking.MaskingService.People;

/// <summary>
/// Counts refusals that anybody can cause at will, in memory, and records each kind once for all its occurrences in a minute: a flood of
/// them costs a record a minute and an address, and the one who asks for nothing forbidden notices none of it.
/// </summary>
internal sealed class Refusals(AuditLog audit, IOptions<PeopleOptions> options, TimeProvider time, ILogger<Refusals> logger)
    : BackgroundService
{
    /// <summary>Kinds that are told apart within a minute; all further addresses are counted together.</summary>
    public const int MaxKinds = 200;

    private const string ManyAddresses = "many";

    private sealed record Kind(Caller Caller, string Action, string Detail);

    private readonly Lock gate = new();
    private readonly SemaphoreSlim some = new(0, 1);
    private Dictionary<Kind, int> counts = [];

    /// <summary>Counts one refusal. Never waits.</summary>
    public void Count(Caller caller, string action, string detail)
    {
        lock (gate)
        {
            var kind = new Kind(caller, action, detail);
            if (counts.Count >= MaxKinds && !counts.ContainsKey(kind))
                kind = new Kind(new Caller(null, null, ManyAddresses), action, detail);
            counts[kind] = counts.GetValueOrDefault(kind) is var n && n == int.MaxValue ? n : n + 1;
            if (counts.Count == 1 && some.CurrentCount == 0)
                some.Release();
        }
    }

    /// <inheritdoc />
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        await RecordAsync(cancellationToken);
    }

    /// <inheritdoc />
    public override void Dispose()
    {
        some.Dispose();
        base.Dispose();
    }

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (true)
        {
            // The minute begins with the first refusal.
            await some.WaitAsync(stoppingToken);
            await Task.Delay(options.Value.CountRefusalsFor, time, stoppingToken);
            await RecordAsync(stoppingToken);
        }
    }

    private async Task RecordAsync(CancellationToken stopping)
    {
        Dictionary<Kind, int> counted;
        lock (gate)
        {
            (counted, counts) = (counts, []);
        }

        try
        {
            foreach (var (kind, count) in counted.ToArray())
            {
                var entry = new AuditEntry(kind.Caller, kind.Action, AuditOutcome.Refused) { Detail = kind.Detail, Occurrences = count };
                await audit.AppendAsync(entry, stopping);
                counted.Remove(kind);
            }
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException or PeopleUnavailableException or OperationCanceledException)
        {
            // Kept, and recorded with those of the next minute.
            logger.RefusalsNotRecorded(counted.Values.Sum(count => (long)count), e is PeopleUnavailableException ? e.Message
                : DatabaseProblem.Describe(e));
            foreach (var (kind, count) in counted)
                Return(kind, count);
        }
    }

    private void Return(Kind kind, int count)
    {
        lock (gate)
        {
            counts[kind] = (int)Math.Min(int.MaxValue, (long)counts.GetValueOrDefault(kind) + count);
            if (some.CurrentCount == 0)
                some.Release();
        }
    }
}
