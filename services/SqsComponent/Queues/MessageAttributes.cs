using System.Text.RegularExpressions;
using System.Text.Unicode;

namespace PiiMasking.SqsComponent.Queues;

/// <summary>The few message attributes that the component writes and reads. All others are left alone, unread. Pure.</summary>
internal static partial class MessageAttributes
{
    public const string TraceParent = "traceparent";
    public const string ContentType = "content-type";

    /// <summary>Set to <see cref="Base64"/> when the published bytes are not text that SQS takes.</summary>
    public const string Encoding = "dapr-body-encoding";

    public const string Base64 = "base64";

    public static readonly List<string> All = [TraceParent, ContentType, Encoding];

    /// <summary>W3C trace context, version 00, neither id all zero; null for anything else.</summary>
    public static string? ValidTraceParent(string? value) => value is not null && TraceParentPattern().IsMatch(value) ? value : null;

    /// <summary>A media type of visible ASCII characters, as it may stand in a header; null for anything else.</summary>
    public static string? ValidContentType(string? value) => value is not null && MediaTypePattern().IsMatch(value) ? value : null;

    /// <summary>
    /// Whether SQS takes the bytes as they are: UTF-8 of tab, line feed, carriage return, and U+0020 to U+D7FF, U+E000 to
    /// U+FFFD, U+10000 to U+10FFFF.
    /// </summary>
    public static bool IsQueueText(ReadOnlySpan<byte> bytes) =>
        bytes.IndexOfAnyInRange((byte)0x00, (byte)0x08) < 0
        && bytes.IndexOfAny((byte)0x0B, (byte)0x0C) < 0
        && bytes.IndexOfAnyInRange((byte)0x0E, (byte)0x1F) < 0
        && bytes.IndexOf("\uFFFE"u8) < 0
        && bytes.IndexOf("\uFFFF"u8) < 0
        && Utf8.IsValid(bytes);

    [GeneratedRegex(@"\A00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}\z")]
    private static partial Regex TraceParentPattern();

    [GeneratedRegex(@"\A(?=.{3,128}\z)[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(?:; ?[A-Za-z0-9!#$&^_.+-]+=[A-Za-z0-9!#$&^_.+-]+)*\z")]
    private static partial Regex MediaTypePattern();
}
