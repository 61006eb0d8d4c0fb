namespace PiiMasking.MaskingService.Rotation;

/// <summary>A login has a token that does not open, so it cannot be carried over to another key, and no login is left behind.</summary>
internal sealed class TokenUnreadableException(Guid messageId) : Exception(
    $"The login of message {messageId} has a token that does not open: it was altered, or is under a key that the keyset has not enabled. "
    + "Enable the key, or remove the login.");
