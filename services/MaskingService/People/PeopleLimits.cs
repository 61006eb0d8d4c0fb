using System.Threading.RateLimiting;
using Microsoft.Extensions.Options;

namespace PiiMasking.MaskingService.People;

/// <summary>How many requests a subject may make in a minute.</summary>
internal sealed class PeopleLimits(IOptions<PeopleOptions> options) : IDisposable
{
    private const int Segments = 6;
    private static readonly TimeSpan Window = TimeSpan.FromMinutes(1);

    private readonly PartitionedRateLimiter<string> limiter = PartitionedRateLimiter.Create<string, string>(subject =>
        RateLimitPartition.GetSlidingWindowLimiter(subject, _ => new SlidingWindowRateLimiterOptions
        {
            PermitLimit = options.Value.RequestsPerMinute,
            Window = Window,
            SegmentsPerWindow = Segments,
        }));

    /// <summary>How long one who has reached the limit should wait.</summary>
    public static TimeSpan RetryAfter => Window / Segments;

    /// <summary>Counts a request of a subject.</summary>
    /// <returns>False if it is one too many.</returns>
    public bool TryEnter(string subject)
    {
        using var lease = limiter.AttemptAcquire(subject);
        return lease.IsAcquired;
    }

    /// <inheritdoc />
    public void Dispose() => limiter.Dispose();
}
