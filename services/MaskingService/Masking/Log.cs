namespace PiiMasking.MaskingService.Masking;

internal static partial class Log
{
    [LoggerMessage(1301, LogLevel.Information, "Keysets and database belong together; the table is under key {KeyId}")]
    public static partial void GenerationClaimed(this ILogger logger, uint keyId);

    /// <param name="problem">One of our own sentences; it holds key ids, nothing out of a secret.</param>
    [LoggerMessage(1302, LogLevel.Critical, "Keysets and database do not belong together; the service stops: {Problem}")]
    public static partial void KeysetsForeign(this ILogger logger, string problem);
}
