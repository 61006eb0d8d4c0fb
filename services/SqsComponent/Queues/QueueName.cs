using System.Text.RegularExpressions;

namespace PiiMasking.SqsComponent.Queues;

/// <summary>The name of a standard queue. Pure.</summary>
internal static partial class QueueName
{
    public const string DeadLetterSuffix = "-dlq";

    public static string DeadLettersOf(string queue) => queue + DeadLetterSuffix;

    public static bool IsDeadLetters(string queue) => queue.EndsWith(DeadLetterSuffix, StringComparison.Ordinal);

    /// <summary>What is wrong with a name, and what to do; null when nothing is.</summary>
    public static string? Fault(string name)
    {
        if (name.EndsWith(".fifo", StringComparison.Ordinal))
            return "FIFO queues are not supported, because nothing here keeps their order; use a standard queue";
        return Pattern().IsMatch(name)
            ? null
            : "an SQS queue name has 1 to 80 of the characters A-Z, a-z, 0-9, - and _; " +
              "rename the topic, or give the name in the subscription's metadata entry 'queue'";
    }

    [GeneratedRegex(@"\A[A-Za-z0-9_-]{1,80}\z")]
    private static partial Regex Pattern();
}
