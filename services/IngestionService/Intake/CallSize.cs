using PiiMasking.Contracts;

namespace PiiMasking.IngestionService.Intake;

/// <summary>How large messages get in a call's body, so that none is refused by a sidecar for its size.</summary>
internal static class CallSize
{
    // Member names, the id, a time, braces and commas; 300 bytes with every member set.
    private const int Frame = 400;

    // JSON writes a character outside ASCII as \uXXXX.
    private const int LargestCharacter = 6;

    /// <summary>Upper bound of a message's size in bytes.</summary>
    public static long Of(LoginMessage message)
    {
        long size = Frame;
        if (message.Rejection is { } rejection)
        {
            size += rejection.Reason.Length + ((rejection.Payload.Length + 2L) / 3 * 4)
                + (rejection.UserIds?.Sum(id => (long)(LargestCharacter * id.Length) + "\"\",".Length) ?? 0);
        }

        if (message.Login is { } login)
        {
            size += LargestCharacter * ((long)login.UserId.Length + (login.DeviceType?.Length ?? 0) + (login.Locale?.Length ?? 0)
                + login.Ip.Expose().Length + login.DeviceId.Expose().Length);
        }

        return size;
    }

    /// <summary>Splits messages, in their order, into parts of at most <paramref name="maxBytes"/>; one that is larger stands alone.</summary>
    public static IEnumerable<List<T>> Split<T>(List<T> messages, Func<T, LoginMessage> sent, long maxBytes)
    {
        var part = new List<T>(messages.Count);   // most deliveries are one call
        long size = Frame;
        foreach (var message in messages)
        {
            var next = Of(sent(message));
            if (part.Count > 0 && (size + next > maxBytes || part.Count == LoginBatch.MaxMessages))
            {
                yield return part;
                part = [];
                size = Frame;
            }

            part.Add(message);
            size += next;
        }

        if (part.Count > 0)
            yield return part;
    }
}
