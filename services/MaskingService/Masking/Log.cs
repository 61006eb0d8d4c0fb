namespace PiiMasking.MaskingService.Masking;

internal static partial class Log
{
    [LoggerMessage(1301, LogLevel.Information, "Keysets and database belong together; the table is under key {KeyId}")]
    public static partial void GenerationClaimed(this ILogger logger, uint keyId);
}
