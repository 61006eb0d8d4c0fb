namespace PiiMasking.Logins;

/// <summary>One string for a text that comes with login after login, such as a device type, instead of one for each.</summary>
/// <remarks>
/// Bounded: each place keeps the text that was asked for last. Texts stay in memory, so that personal values must not be asked for.
/// </remarks>
public static class RepeatedText
{
    private const int Places = 256;

    private static readonly string?[] Kept = new string?[Places];

    /// <returns>A string of these characters.</returns>
    public static string Of(ReadOnlySpan<char> text)
    {
        ref var place = ref Kept[(uint)string.GetHashCode(text) % Places];
        // Read once: another thread may put another text there at any time.
        if (Volatile.Read(ref place) is { } kept && text.SequenceEqual(kept))
            return kept;
        var fresh = new string(text);
        Volatile.Write(ref place, fresh);
        return fresh;
    }
}
