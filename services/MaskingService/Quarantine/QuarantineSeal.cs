using System.Text;
using PiiMasking.Tink;

namespace PiiMasking.MaskingService.Quarantine;

/// <summary>Seals what a producer sent, bound to its message: AES256_GCM in Tink's format, so that equal payloads do not show.</summary>
internal static class QuarantineSeal
{
    /// <summary>Seals a payload.</summary>
    /// <param name="aead">Over the quarantine keyset; its primary key seals.</param>
    /// <param name="messageId">Binds the payload to its row: rows cannot be swapped unnoticed.</param>
    /// <param name="payload">The message exactly as it was sent.</param>
    public static byte[] Seal(Aead aead, Guid messageId, ReadOnlySpan<byte> payload) => aead.Encrypt(payload, AssociatedData(messageId));

    private static byte[] AssociatedData(Guid messageId) => Encoding.ASCII.GetBytes($"quarantine/{messageId:D}");
}
