using System.Buffers;
using System.Globalization;

namespace PiiMasking.Logins;

/// <summary>An app version as one integer that sorts as versions do.</summary>
public static class AppVersion
{
    private const int Thousand = 1_000;

    private static readonly SearchValues<char> Characters = SearchValues.Create("0123456789.");

    /// <summary>Reads one to three numbers of ASCII digits with dots between; leading zeros count for nothing ("6.02" is "6.2").</summary>
    /// <param name="text">"2.3.0", "0.96", "2". No white space, no sign, no suffix.</param>
    /// <param name="version">major·1,000,000 + minor·1,000 + patch; a missing number is 0.</param>
    /// <returns>False if it is something else, a minor or patch is over 999, or the result does not fit an int.</returns>
    public static bool TryParse(ReadOnlySpan<char> text, out int version)
    {
        version = 0;
        // Checked first, since .NET's number parsers overlook U+0000 at the end.
        if (text.ContainsAnyExcept(Characters))
            return false;

        var result = 0L;
        var parts = 0;
        foreach (var part in text.Split('.'))
        {
            // An empty part is no number.
            if (++parts > 3
                || !int.TryParse(text[part], NumberStyles.None, CultureInfo.InvariantCulture, out var number)
                || (parts > 1 && number >= Thousand))
            {
                return false;
            }

            result = (result * Thousand) + number;
        }

        for (; parts < 3; parts++)
            result *= Thousand;
        if (result > int.MaxValue)
            return false;
        version = (int)result;
        return true;
    }
}
