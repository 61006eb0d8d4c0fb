namespace PiiMasking.MaskingService.People;

/// <summary>Text of people that goes into the audit.</summary>
internal static class PeopleText
{
    public const int MaxReason = 500;
    public const int MaxTicket = 100;

    /// <summary>Longest subject and client of a token.</summary>
    public const int MaxName = 200;

    /// <summary>Whether Postgres can store it and a reader sees all of it: no control characters, no unpaired surrogates.</summary>
    public static bool IsPlain(string text, int maxLength)
    {
        if (text.Length > maxLength)
            return false;
        for (var i = 0; i < text.Length; i++)
        {
            if (char.IsControl(text[i]))
                return false;
            if (char.IsSurrogate(text[i]) && !(char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[++i])))
                return false;
        }

        return true;
    }
}
