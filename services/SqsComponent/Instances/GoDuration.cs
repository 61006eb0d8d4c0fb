using System.Globalization;
using System.Text.RegularExpressions;

namespace PiiMasking.SqsComponent.Instances;

/// <summary>Durations as Go and Dapr write them: <c>500ms</c>, <c>30s</c>, <c>1m30s</c>, <c>1.5h</c>. Never negative.</summary>
internal static partial class GoDuration
{
    public static bool TryParse(string text, out TimeSpan duration)
    {
        duration = TimeSpan.Zero;
        var match = Pattern().Match(text);
        if (!match.Success)
            return text == "0";

        var seconds = 0.0;
        for (var i = 0; i < match.Groups["number"].Captures.Count; i++)
        {
            var number = double.Parse(match.Groups["number"].Captures[i].ValueSpan, CultureInfo.InvariantCulture);
            seconds += number * match.Groups["unit"].Captures[i].Value switch
            {
                "h" => 3600,
                "m" => 60,
                "s" => 1,
                "ms" => 1e-3,
                "us" or "µs" => 1e-6,
                _ => 1e-9,
            };
        }

        // A year: far above every limit, far below what a TimeSpan holds.
        if (seconds > 365 * 24 * 3600)
            return false;
        duration = TimeSpan.FromSeconds(Math.Round(seconds, 7));
        return true;
    }

    public static string Format(TimeSpan duration) => duration switch
    {
        _ when duration.Ticks % TimeSpan.TicksPerHour == 0 && duration > TimeSpan.Zero => $"{duration.TotalHours}h",
        _ when duration.Ticks % TimeSpan.TicksPerMinute == 0 && duration > TimeSpan.Zero => $"{duration.TotalMinutes}m",
        _ when duration.Ticks % TimeSpan.TicksPerSecond == 0 => $"{duration.TotalSeconds}s",
        _ => $"{duration.TotalMilliseconds.ToString(CultureInfo.InvariantCulture)}ms",
    };

    [GeneratedRegex(@"\A(?:(?<number>[0-9]{1,15}(?:\.[0-9]{1,9})?)(?<unit>ns|us|µs|ms|s|m|h))+\z")]
    private static partial Regex Pattern();
}
