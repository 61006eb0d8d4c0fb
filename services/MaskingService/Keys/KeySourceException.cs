namespace PiiMasking.MaskingService.Keys;

/// <summary>A keyset could not be had. The message is a sentence for operators, with the remedy, and holds no secret.</summary>
internal sealed class KeySourceException(string message) : Exception(message);
