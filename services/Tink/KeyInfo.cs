namespace PiiMasking.Tink;

/// <summary>What may be known about a key by anyone: everything but its bytes.</summary>
/// <param name="Id">Random, not zero; the bytes 1 to 4 of every token made with the key, big-endian.</param>
/// <param name="Status">What the key may be used for.</param>
/// <param name="IsPrimary">Whether new tokens are made with it unless a caller names another key.</param>
/// <param name="TypeUrl">Tink's name of the key's type, such as <c>type.googleapis.com/google.crypto.tink.AesSivKey</c>.</param>
public sealed record KeyInfo(uint Id, KeyStatus Status, bool IsPrimary, string TypeUrl);
