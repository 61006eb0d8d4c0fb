using System.Text;
using Amazon.SQS.Model;
using Google.Protobuf;
using Google.Protobuf.Collections;
using PiiMasking.SqsComponent.Queues;

namespace PiiMasking.SqsComponent.Publishing;

/// <summary>A message to be sent: its text and the few attributes that go along. Pure.</summary>
/// <param name="Text">The published bytes as text, in base64 if SQS would not take them as they are.</param>
/// <param name="Attributes">Content type, trace context and encoding, where there is something to say.</param>
/// <param name="Bytes">What SQS counts against its limit: body, attribute names, types and values.</param>
internal sealed record QueueMessage(string Text, Dictionary<string, MessageAttributeValue> Attributes, int Bytes)
{
    /// <summary>SQS's limit for a message, and for all messages of a request together.</summary>
    public const int MaxBytes = 1 << 20;

    /// <summary>Why SQS will not take it; null when it will.</summary>
    public string? Fault =>
        Text.Length == 0 ? "SQS takes no empty message"
        : Bytes > MaxBytes ? $"the message has {Bytes} bytes with its attributes, SQS takes {MaxBytes}"
        : null;

    public bool IsText => !Attributes.ContainsKey(MessageAttributes.Encoding);

    /// <summary>The same message for a queue that takes fewer characters than AWS's, as some emulators.</summary>
    public QueueMessage InBase64()
    {
        var attributes = new Dictionary<string, MessageAttributeValue>(Attributes, StringComparer.Ordinal)
        {
            [MessageAttributes.Encoding] = new() { DataType = "String", StringValue = MessageAttributes.Base64 },
        };
        var text = Convert.ToBase64String(Encoding.UTF8.GetBytes(Text));
        return new QueueMessage(text, attributes, Bytes - Encoding.UTF8.GetByteCount(Text) + text.Length);
    }

    /// <param name="data">What to send.</param>
    /// <param name="contentType">From the request; empty when it says nothing.</param>
    /// <param name="metadata">The publisher's: <c>content-type</c> and <c>traceparent</c> are kept, nothing else.</param>
    public static QueueMessage From(ByteString data, string contentType, MapField<string, string> metadata)
    {
        var attributes = new Dictionary<string, MessageAttributeValue>(StringComparer.Ordinal);
        var isText = MessageAttributes.IsQueueText(data.Span);
        var text = isText ? data.ToStringUtf8() : Convert.ToBase64String(data.Span);
        var bytes = isText ? data.Length : text.Length;

        void Add(string name, string? value)
        {
            if (value is null)
                return;
            attributes.Add(name, new MessageAttributeValue { DataType = "String", StringValue = value });
            bytes += name.Length + "String".Length + Encoding.UTF8.GetByteCount(value);
        }

        string? Metadata(string name) =>
            metadata.FirstOrDefault(entry => entry.Key.Equals(name, StringComparison.OrdinalIgnoreCase)).Value;

        Add(
            MessageAttributes.ContentType,
            MessageAttributes.ValidContentType(contentType.Length > 0 ? contentType : Metadata(MessageAttributes.ContentType)));
        Add(MessageAttributes.TraceParent, MessageAttributes.ValidTraceParent(Metadata(MessageAttributes.TraceParent)));
        Add(MessageAttributes.Encoding, isText ? null : MessageAttributes.Base64);
        return new QueueMessage(text, attributes, bytes);
    }

    /// <summary>A record would print its members, and the text is nobody's business.</summary>
    public override string ToString() => $"{Bytes} bytes";
}
