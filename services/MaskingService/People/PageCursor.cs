using System.Buffers.Text;
using System.Text;

namespace PiiMasking.MaskingService.People;

/// <summary>Where a page ended, as opaque text. It holds keys of rows, no value.</summary>
internal static class PageCursor
{
    private const char Separator = '|';
    private const int MaxCharacters = 1_000;

    public static string Write(string first, string second) =>
        Base64Url.EncodeToString(Encoding.UTF8.GetBytes($"{first}{Separator}{second}"));

    /// <returns>False if this is no cursor; whether the parts mean anything, the caller knows.</returns>
    public static bool TryRead(string text, out string first, out string second)
    {
        (first, second) = ("", "");
        if (text.Length > MaxCharacters || !Base64Url.IsValid(text))
            return false;
        var parts = Encoding.UTF8.GetString(Base64Url.DecodeFromChars(text)).Split(Separator);
        if (parts.Length != 2)
            return false;
        (first, second) = (parts[0], parts[1]);
        return true;
    }
}
