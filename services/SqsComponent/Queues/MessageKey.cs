using System.Security.Cryptography;
using System.Text;

namespace PiiMasking.SqsComponent.Queues;

/// <summary>A MessageId in 16 bytes, for sets that remember many.</summary>
internal static class MessageKey
{
    /// <summary>The id itself, since SQS's ids are UUIDs; of any other text, part of its hash.</summary>
    public static Guid Of(string messageId) =>
        Guid.TryParseExact(messageId, "D", out var id) ? id : new Guid(SHA256.HashData(Encoding.UTF8.GetBytes(messageId)).AsSpan(0, 16));
}
