using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace PiiMasking.Logins;

/// <summary>Who a message is: its idempotency key, and its own time.</summary>
internal readonly record struct MessageIdentity(Guid Id, DateTimeOffset? SentAt)
{
    private const int UuidLength = 36;

    /// <summary>The id itself if it is a UUID, otherwise the first 16 bytes of SHA-256(source ‖ 0 ‖ id).</summary>
    public static Guid IdOf(ReadOnlySpan<char> source, ReadOnlySpan<char> id) => TryParseUuid(id, out var uuid) ? uuid : Hash(source, id);

    /// <summary>
    /// What the broker itself says in an entry's metadata: Kafka's topic, partition and offset, or Azure Service Bus's sequence number,
    /// by the names that Dapr's components give them. Null if it says nothing.
    /// </summary>
    /// <remarks>
    /// The time goes into the key as well, where there is one: a topic that was deleted and made again counts its offsets from 0.
    /// Dapr lets a Kafka producer's headers overwrite these names (exclude them with <c>excludeHeaderMetaRegex: "^__"</c>); one who does
    /// that harms the own message, as one who reuses a CloudEvent id does.
    /// </remarks>
    public static MessageIdentity? FromMetadata(IReadOnlyDictionary<string, string> metadata, string topic)
    {
        if (metadata.TryGetValue("__offset", out var offset) && metadata.TryGetValue("__partition", out var partition))
        {
            var source = $"kafka/{metadata.GetValueOrDefault("__topic", topic)}/{partition}";
            var timestamp = metadata.GetValueOrDefault("__timestamp", "");
            return new(Hash(source, $"{offset}/{timestamp}"), FromUnixMilliseconds(timestamp));
        }

        if (metadata.TryGetValue("metadata.SequenceNumber", out var sequence))
        {
            var enqueued = metadata.GetValueOrDefault("metadata.EnqueuedTimeUtc", "");
            var isTime = DateTimeOffset.TryParseExact(
                enqueued, "r", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var at);
            return new(Hash($"servicebus/{topic}", $"{sequence}/{enqueued}"), isTime ? at : null);
        }

        return null;
    }

    /// <summary>
    /// For a message that nobody names. Another delivery of it gets another id, so that it is stored at least once, not exactly once.
    /// </summary>
    public static MessageIdentity Fresh(DateTimeOffset now) => new(Guid.CreateVersion7(now), now);

    /// <summary>Reads an RFC 3339 time.</summary>
    /// <returns>UTC, to 100 ns; null for anything else, such as a time without an offset or a leap second.</returns>
    public static DateTimeOffset? ParseTime(ReadOnlySpan<char> text)
    {
        const int secondsEnd = 19;
        const int mostFraction = 7;
        Span<char> time = stackalloc char[64];
        if (text.Length is <= secondsEnd or > 64)
            return null;

        // .NET reads seven digits of a fraction at most, and capital letters only.
        var fraction = text[secondsEnd] == '.' ? text[(secondsEnd + 1)..].IndexOfAnyExceptInRange('0', '9') : 0;
        if (fraction < 0 || (text[secondsEnd] == '.' && fraction == 0))
            return null;
        var offset = text[(secondsEnd + (fraction > 0 ? fraction + 1 : 0))..];
        var kept = text[..(secondsEnd + (fraction > 0 ? Math.Min(fraction, mostFraction) + 1 : 0))];
        kept.ToUpperInvariant(time);
        offset.ToUpperInvariant(time[kept.Length..]);
        time = time[..(kept.Length + offset.Length)];

        // A bare time is local to nobody knows where.
        if (time[^1] != 'Z' && (offset.Length != 6 || offset[3] != ':'))
            return null;
        return DateTimeOffset.TryParseExact(
            time, "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFK", CultureInfo.InvariantCulture, DateTimeStyles.AdjustToUniversal, out var at)
            ? at
            : null;
    }

    private static DateTimeOffset? FromUnixMilliseconds(string text) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var milliseconds)
        && milliseconds > 0 && milliseconds <= DateTimeOffset.MaxValue.ToUnixTimeMilliseconds()
            ? DateTimeOffset.FromUnixTimeMilliseconds(milliseconds)
            : null;

    private static bool TryParseUuid(ReadOnlySpan<char> text, out Guid uuid)
    {
        uuid = default;
        // Guid's own parser also takes white space around, and signs and 0x within.
        return text.Length == UuidLength
            && !text.ContainsAnyExcept(UuidCharacters)
            && Guid.TryParseExact(text, "D", out uuid);
    }

    private static readonly SearchValues<char> UuidCharacters = SearchValues.Create("0123456789abcdefABCDEF-");

    private static Guid Hash(ReadOnlySpan<char> source, ReadOnlySpan<char> id)
    {
        Span<byte> digest = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes($"{source}\0{id}"), digest);
        return new Guid(digest[..16], bigEndian: true);
    }
}
