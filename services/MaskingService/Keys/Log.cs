namespace PiiMasking.MaskingService.Keys;

internal static partial class Log
{
    [LoggerMessage(2101, LogLevel.Information,
        "Keysets read: masking with primary key {MaskingPrimary} of {MaskingKeys}, quarantine with primary key {QuarantinePrimary} "
            + "of {QuarantineKeys}")]
    public static partial void KeysetsLoaded(
        this ILogger logger, uint maskingPrimary, int maskingKeys, uint quarantinePrimary, int quarantineKeys);

    /// <param name="problem">One of our own sentences: names out of the configuration and key ids, nothing out of a secret.</param>
    [LoggerMessage(2102, LogLevel.Error, "Keysets refused, {Consequence}: {Problem}")]
    public static partial void KeysetsRefused(this ILogger logger, string problem, string consequence);
}
