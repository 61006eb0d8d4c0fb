namespace PiiMasking.Benchmarks;

/// <summary>What was measured of several things, a value of each a round, so that ratios are of values of the same moment.</summary>
internal sealed class Rounds
{
    private readonly Dictionary<string, List<double>> values = [];

    /// <summary>Enters the next value of something.</summary>
    public double Add(string what, double value)
    {
        if (!values.TryGetValue(what, out var list))
            values[what] = list = [];
        list.Add(value);
        return value;
    }

    public double Median(string what) => MedianOf(values[what]);

    /// <returns>The median of the rounds' ratios.</returns>
    public double MedianRatio(string what, string to) => MedianOf(values[what].Zip(values[to], (above, below) => above / below));

    public static double MedianOf(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted.Length == 0 ? double.NaN : (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    /// <param name="values">In any order.</param>
    /// <param name="share">0.99 for the value that one in a hundred exceeds.</param>
    public static double PercentileOf(IEnumerable<double> values, double share)
    {
        var sorted = values.Order().ToArray();
        return sorted.Length == 0 ? double.NaN : sorted[Math.Clamp((int)Math.Ceiling(sorted.Length * share) - 1, 0, sorted.Length - 1)];
    }
}
