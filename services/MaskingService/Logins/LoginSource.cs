namespace PiiMasking.MaskingService.Logins;

/// <summary>How messages come to be stored, as the ledger says it.</summary>
internal enum LoginSource
{
    /// <summary>From the queue.</summary>
    Live,

    /// <summary>Out of the quarantine, which they leave in the transaction that stores them.</summary>
    Replay,
}
