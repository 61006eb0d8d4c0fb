namespace PiiMasking.MaskingService.Masking;

/// <summary>The key that the table is under is not to be had. Messages are sent again until the keyset has it.</summary>
internal sealed class KeyUnavailableException(uint keyId) : Exception(
    $"The masking keyset has no enabled key {keyId}, which the table is under or moves to. Put the keyset back that has it, or enable it.");
