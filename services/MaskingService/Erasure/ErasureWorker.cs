using Microsoft.Extensions.Options;
using Npgsql;
using PiiMasking.MaskingService.People;
using PiiMasking.MaskingService.Storage;

namespace PiiMasking.MaskingService.Erasure;

/// <summary>Completes erasures in the background: those just asked for, and those that a crash has left.</summary>
internal sealed class ErasureWorker(Eraser eraser, IOptions<ErasureOptions> options, ILogger<ErasureWorker> logger) : BackgroundService
{
    // For an erasure that came when the replica that is at it had looked for the last time.
    private static readonly TimeSpan OtherIsAtIt = TimeSpan.FromMilliseconds(200);

    private readonly SemaphoreSlim some = new(0, 1);

    /// <summary>There is something to do. Never waits.</summary>
    public void Wake()
    {
        lock (some)
        {
            if (some.CurrentCount == 0)
                some.Release();
        }
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
            var wait = options.Value.ResumeEvery;
            try
            {
                if (!await eraser.CompleteAsync(stoppingToken))
                    wait = OtherIsAtIt;
            }
            catch (PeopleUnavailableException e)
            {
                logger.ErasuresNotCompleted(e.Message);
            }
            catch (Exception e) when (e is NpgsqlException or TimeoutException)
            {
                logger.ErasuresNotCompleted(DatabaseProblem.Describe(e));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                logger.ErasuresNotCompleted($"the receipt cannot be written ({e.GetType().Name}). Look at Erasure:ReceiptFile.");
            }

            await some.WaitAsync(wait, stoppingToken);
        }
    }
}
