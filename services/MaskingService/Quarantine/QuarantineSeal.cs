using System.Text;
using PiiMasking.Tink;

namespace PiiMasking.MaskingService.Quarantine;

/// <summary>Seals what a producer sent, bound to its message: AES256_GCM in Tink's format, so that equal payloads do not show.</summary>
internal static class QuarantineSeal
{
    /// <summary>Bytes that sealing adds.</summary>
    public const int Overhead = 33;

    /// <summary>Seals a payload.</summary>
    /// <param name="aead">Over the quarantine keyset; its primary key seals.</param>
    /// <param name="messageId">Binds the payload to its row: rows cannot be swapped unnoticed.</param>
    /// <param name="payload">The message exactly as it was sent.</param>
    public static byte[] Seal(Aead aead, Guid messageId, ReadOnlySpan<byte> payload) => aead.Encrypt(payload, AssociatedData(messageId));

    /// <summary>Opens a payload.</summary>
    /// <returns>The message as it was sent; null if it does not open: altered, of another row, or under a key that is not
    /// enabled.</returns>
    public static byte[]? TryOpen(Aead aead, Guid messageId, ReadOnlySpan<byte> sealedPayload) =>
        aead.TryDecrypt(sealedPayload, AssociatedData(messageId), out var payload) ? payload : null;

    private static byte[] AssociatedData(Guid messageId) => Encoding.ASCII.GetBytes($"quarantine/{messageId:D}");
}
