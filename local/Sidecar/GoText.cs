using System.Buffers;
using System.Globalization;
using System.Text;

namespace PiiMasking.Sidecar;

/// <summary>Texts as Go reads and writes them, since daprd's files and answers are Go's.</summary>
internal static class GoText
{
    private static readonly SearchValues<char> NumberCharacters = SearchValues.Create("0123456789.");

    /// <summary>strconv.ParseBool.</summary>
    public static bool TryBool(string text, out bool value)
    {
        value = text is "1" or "t" or "T" or "true" or "TRUE" or "True";
        return value || text is "0" or "f" or "F" or "false" or "FALSE" or "False";
    }

    /// <summary>time.ParseDuration: "300ms", "1.5h", "2h45m".</summary>
    public static bool TryDuration(string text, out TimeSpan duration)
    {
        ReadOnlySpan<(string Unit, double Seconds)> units =
            [("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1), ("m", 60), ("h", 3600)];

        duration = TimeSpan.Zero;
        var rest = text.AsSpan().Trim();
        var negative = rest is ['-', ..];
        if (rest is ['-' or '+', ..])
            rest = rest[1..];
        if (rest is "0")
            return true;
        if (rest.IsEmpty)
            return false;

        var seconds = 0.0;
        while (!rest.IsEmpty)
        {
            var digits = rest.IndexOfAnyExcept(NumberCharacters);
            if (digits <= 0
                || !double.TryParse(rest[..digits], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number))
                return false;
            rest = rest[digits..];

            var unitLength = rest.IndexOfAny(NumberCharacters);
            var unit = unitLength < 0 ? rest : rest[..unitLength];
            var factor = 0.0;
            foreach (var (name, value) in units)
            {
                if (unit.SequenceEqual(name))
                    factor = value;
            }

            if (factor == 0)
                return false;
            seconds += number * factor;
            rest = rest[unit.Length..];
        }

        if (seconds > TimeSpan.MaxValue.TotalSeconds / 2)
            return false;
        duration = TimeSpan.FromSeconds(negative ? -seconds : seconds);
        return true;
    }

    /// <summary>os.ExpandEnv: $NAME and ${NAME}; what is not set becomes nothing.</summary>
    public static string ExpandEnvironment(string text, Func<string, string?> environment)
    {
        var result = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '$' || i + 1 == text.Length)
            {
                result.Append(text[i]);
                continue;
            }

            if (text[i + 1] == '{')
            {
                var end = text.IndexOf('}', i);
                // An unclosed or empty brace is swallowed, as Go does.
                if (end < 0)
                {
                    i++;
                    continue;
                }

                result.Append(environment(text[(i + 2)..end]));
                i = end;
                continue;
            }

            var length = "*#$@!?-0123456789".Contains(text[i + 1], StringComparison.Ordinal) ? 1 : NameLength(text, i + 1);
            if (length == 0)
            {
                result.Append('$');
                continue;
            }

            result.Append(environment(text.Substring(i + 1, length)));
            i += length;
        }

        return result.ToString();

        static int NameLength(string text, int start)
        {
            var end = start;
            while (end < text.Length && (char.IsAsciiLetterOrDigit(text[end]) || text[end] == '_'))
                end++;
            return end - start;
        }
    }

    /// <summary>%v of a float64: the shortest digits, with an exponent below 1e-4 and from 1e6 on (1e+06).</summary>
    public static string Float(double number)
    {
        var scientific = number.ToString("E16", CultureInfo.InvariantCulture);
        var shortest = number.ToString("R", CultureInfo.InvariantCulture);
        var exponent = int.Parse(scientific[(scientific.IndexOf('E', StringComparison.Ordinal) + 1)..], CultureInfo.InvariantCulture);
        if (number == 0 || exponent is >= -4 and < 6)
            return decimal.TryParse(shortest, NumberStyles.Float, CultureInfo.InvariantCulture, out var exact)
                ? exact.ToString(CultureInfo.InvariantCulture)
                : shortest;

        var digits = new string([.. shortest[..Until(shortest, 'E')].Where(char.IsAsciiDigit)]).Trim('0');
        var mantissa = digits.Length > 1 ? $"{digits[0]}.{digits[1..]}" : digits;
        return $"{(number < 0 ? "-" : "")}{mantissa}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}";

        static int Until(string text, char end) => text.IndexOf(end, StringComparison.Ordinal) is var at and >= 0 ? at : text.Length;
    }
}
