namespace PiiMasking.AppHost;

/// <summary>Several starts at once: when one fails, the others are called off, and only what went wrong first is told.</summary>
internal sealed class JointStart : IDisposable
{
    private readonly CancellationTokenSource calledOff;

    public JointStart(CancellationToken stopping) => calledOff = CancellationTokenSource.CreateLinkedTokenSource(stopping);

    /// <summary>For the parts to observe.</summary>
    public CancellationToken Token => calledOff.Token;

    /// <summary>Ends when all parts have ended, also if one fails.</summary>
    public async Task AllAsync(params Task[] parts)
    {
        Task? first = null;
        await foreach (var part in Task.WhenEach(parts))
        {
            if (part.IsCompletedSuccessfully || first is not null)
                continue;
            first = part;
            await calledOff.CancelAsync();
        }

        if (first is not null)
            await first;
    }

    public void Dispose() => calledOff.Dispose();
}
