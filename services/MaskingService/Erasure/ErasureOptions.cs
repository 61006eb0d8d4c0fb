using System.ComponentModel.DataAnnotations;

namespace PiiMasking.MaskingService.Erasure;

/// <summary>How users are erased. Bound from "Erasure".</summary>
internal sealed class ErasureOptions
{
    public const string Section = "Erasure";

    /// <summary>
    /// File to which the receipt of every erasure is appended, a line each, before it is answered. Null: none. It belongs where backups of
    /// the database do not: it is what puts a restored one right.
    /// </summary>
    public string? ReceiptFile { get; init; }

    /// <summary>How long a request waits for its erasure to be completed before it is answered 202.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "00:10:00")]
    public TimeSpan AnswerWithin { get; init; } = TimeSpan.FromSeconds(25);

    /// <summary>How often the service looks for erasures that were begun and not completed.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "01:00:00")]
    public TimeSpan ResumeEvery { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// For how long after an erasure a message without a usable time of its own may be from before it: as long as a broker keeps messages.
    /// </summary>
    /// <value>28 days by default: 14 on a queue and 14 on its dead-letter queue.</value>
    [Range(typeof(TimeSpan), "00:00:00", "3650.00:00:00")]
    public TimeSpan BrokersKeepMessagesFor { get; init; } = TimeSpan.FromDays(28);
}
