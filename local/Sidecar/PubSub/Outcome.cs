namespace PiiMasking.Sidecar.PubSub;

/// <summary>What became of one delivery, before dead-letter topics are considered.</summary>
internal abstract record Outcome
{
    private Outcome()
    {
    }

    public static Outcome Success { get; } = new Done();

    /// <summary>The app has it.</summary>
    public sealed record Done : Outcome;

    /// <summary>Past its expiration: acknowledged whatever the dead-letter topic says.</summary>
    public sealed record Expired : Outcome;

    /// <summary>The app does not want it.</summary>
    public sealed record Dropped : Outcome;

    /// <summary>To be tried again.</summary>
    /// <param name="Error">For the component; holds nothing of the message or of the app's answer.</param>
    public sealed record Failed(string Error) : Outcome;
}
