namespace PiiMasking.SqsComponent.Publishing;

/// <summary>Cuts messages into requests of SQS: at most ten, and together no larger than one message may be. Pure.</summary>
internal static class SendBatches
{
    private const int MostEntries = 10;

    /// <param name="sizes">Bytes of each message, none above the limit.</param>
    /// <returns>Ranges that cover all messages, in order.</returns>
    public static IEnumerable<Range> Cut(IReadOnlyList<int> sizes)
    {
        var start = 0;
        var bytes = 0;
        for (var i = 0; i < sizes.Count; i++)
        {
            if (i > start && (i - start == MostEntries || bytes + sizes[i] > QueueMessage.MaxBytes))
            {
                yield return start..i;
                (start, bytes) = (i, 0);
            }

            bytes += sizes[i];
        }

        if (start < sizes.Count)
            yield return start..sizes.Count;
    }
}
