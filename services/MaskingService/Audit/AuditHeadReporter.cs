using Microsoft.Extensions.Options;
using Npgsql;
using PiiMasking.MaskingService.People;
using PiiMasking.MaskingService.Storage;

namespace PiiMasking.MaskingService.Audit;

/// <summary>
/// Writes the signed head to the log whenever it has changed: whoever keeps the log elsewhere can prove later that nothing was cut off.
/// What it has reason to doubt it does not sign.
/// </summary>
internal sealed class AuditHeadReporter(
    PeopleDatabase database, IntegrityKeys integrity, IOptions<PeopleOptions> options, TimeProvider time, ILogger<AuditHeadReporter> logger)
    : BackgroundService
{
    private long reported;
    private AuditHead? doubted;

    /// <inheritdoc />
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(options.Value.LogHeadEvery, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
            await ReportAsync(stoppingToken);
    }

    private async Task ReportAsync(CancellationToken stopping)
    {
        if (integrity.Current is not { } mac)
            return;
        try
        {
            await using var connection = await database.Source.OpenConnectionAsync(stopping);
            await using var snapshot = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, stopping);
            var head = await AuditReader.ReadHeadAsync(connection, stopping) ?? new AuditHead(0, []);
            if (head.Number == reported || head.Number == doubted?.Number)
                return;

            var last = await AuditReader.ReadAsync(connection, new(After: head.Number - 2, Count: 3), stopping);
            if (head.Number > reported && EndsWith(last, head, mac))
            {
                logger.AuditHeadSigned(head.Sign(mac));
                reported = head.Number;
            }
            else
            {
                logger.AuditHeadNotSigned(reported, head.Number);
                doubted = head;
            }
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException)
        {
            logger.AuditHeadNotRead(DatabaseProblem.Describe(e));
        }
    }

    private static bool EndsWith(List<AuditRecord> last, AuditHead head, Tink.Mac mac) =>
        last.Count > 0
        && last[^1] is var record && record.Number == head.Number && record.Mac.AsSpan().SequenceEqual(head.Mac)
        && (last.Count > 1 ? last[^2].Number == head.Number - 1 : head.Number == 1)
        && mac.Verify(record.Mac, record.Canonical(last.Count > 1 ? last[^2].Mac : []));
}
