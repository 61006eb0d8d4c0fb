namespace PiiMasking.MaskingService.Masking;

/// <summary>
/// The key that the table is under, as last read from the database. Good enough to mask ahead of the transaction; the
/// transaction reads it again under the lock and masks again if it moved.
/// </summary>
internal sealed class Generation
{
    // 0 is no key id, so it can say "not known yet" in a field that is read and written at once.
    private volatile uint keyId;

    /// <summary>Id of the key; null until the database was claimed or checked.</summary>
    public uint? KeyId
    {
        get => keyId is 0 ? null : keyId;
        set => keyId = value ?? 0;
    }
}
