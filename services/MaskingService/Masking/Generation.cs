namespace PiiMasking.MaskingService.Masking;

/// <summary>The keys that the tables are under.</summary>
/// <param name="KeyId">Of user_logins.</param>
/// <param name="NextKeyId">Of user_logins_shadow, while a rotation runs: what is stored then is stored under both.</param>
internal sealed record GenerationKeys(uint KeyId, uint? NextKeyId)
{
    /// <summary>One or two: what a keyset must have enabled.</summary>
    public IEnumerable<uint> All => NextKeyId is { } next ? [KeyId, next] : [KeyId];
}

/// <summary>
/// The keys that the tables are under, as last read from the database. Good enough to mask ahead of the transaction; the
/// transaction reads them again under the lock and masks again if they moved.
/// </summary>
internal sealed class Generation
{
    private volatile GenerationKeys? keys;

    /// <summary>The keys; null until the database was claimed or checked.</summary>
    public GenerationKeys? Keys
    {
        get => keys;
        set => keys = value;
    }

    /// <summary>Id of the key that user_logins is under; null until the database was claimed or checked.</summary>
    public uint? KeyId => keys?.KeyId;
}
