using System.Globalization;

namespace PiiMasking.Sidecar.PubSub;

/// <summary>The keys that Dapr itself reads in the metadata of a publication or a subscription.</summary>
internal static class PublishMetadata
{
    /// <returns>False if there is a value and it is no boolean.</returns>
    public static bool TryRawPayload(IReadOnlyDictionary<string, string> metadata, out bool raw)
    {
        raw = false;
        return Find(metadata, "rawPayload") is not { } value || GoText.TryBool(value, out raw);
    }

    /// <summary>How long the message may live: "ttlInSeconds" or "ttl", in seconds or as a duration. Null: not limited.</summary>
    public static TimeSpan? TimeToLive(IReadOnlyDictionary<string, string> metadata)
    {
        if ((Find(metadata, "ttlInSeconds") ?? Find(metadata, "ttl")) is not { Length: > 0 } text)
            return null;
        if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var seconds))
            return seconds is > 0 and < 10_000_000_000 ? TimeSpan.FromSeconds(seconds) : null;
        return GoText.TryDuration(text, out var duration) && duration > TimeSpan.Zero ? duration : null;
    }

    /// <summary>Looks a key up in any case.</summary>
    public static string? Find(IReadOnlyDictionary<string, string> metadata, string key)
    {
        if (metadata.TryGetValue(key, out var exact))
            return exact;
        foreach (var (name, value) in metadata)
        {
            if (name.Equals(key, StringComparison.OrdinalIgnoreCase))
                return value;
        }

        return null;
    }
}
