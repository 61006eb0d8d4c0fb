namespace PiiMasking.Logins;

/// <summary>What a message's bytes turned out to be.</summary>
public abstract record ParseOutcome
{
    private ParseOutcome() { }   // closed: these two are all there are

    /// <summary>A login that keeps every rule.</summary>
    public sealed record Accepted(Login Login) : ParseOutcome;

    /// <summary>No login, and the first reason found.</summary>
    public sealed record Rejected(RejectReason Reason) : ParseOutcome;
}
