namespace PiiMasking.Sidecar.Tests;

public sealed class GoTextTests
{
    [Theory]
    [InlineData("$A", "1")]
    [InlineData("${A}", "1")]
    [InlineData("x${A}y$B", "x1y2")]
    [InlineData("$AB", "")]
    [InlineData("$UNSET.", ".")]
    [InlineData("100$", "100$")]
    [InlineData("a$ b", "a$ b")]
    [InlineData("${}x", "x")]
    [InlineData("$$A", "A")]
    public void Variables_are_expanded_as_Go_does(string text, string expected)
    {
        var environment = new Dictionary<string, string> { ["A"] = "1", ["B"] = "2" };

        Assert.Equal(expected, GoText.ExpandEnvironment(text, environment.GetValueOrDefault));
    }

    [Theory]
    [InlineData("20s", 20_000)]
    [InlineData("1m30s", 90_000)]
    [InlineData("1.5h", 5_400_000)]
    [InlineData("250ms", 250)]
    [InlineData("-2s", -2_000)]
    [InlineData("0", 0)]
    public void Durations_are_Gos(string text, double milliseconds)
    {
        Assert.True(GoText.TryDuration(text, out var duration));
        Assert.Equal(milliseconds, duration.TotalMilliseconds, 3);
    }

    [Theory]
    [InlineData("")]
    [InlineData("5")]
    [InlineData("5 s")]
    [InlineData("s")]
    [InlineData("1d")]
    public void What_is_no_duration_is_refused(string text) => Assert.False(GoText.TryDuration(text, out _));

    [Theory]
    [InlineData(1, "1")]
    [InlineData(0, "0")]
    [InlineData(-2.5, "-2.5")]
    [InlineData(123456, "123456")]
    [InlineData(1000000, "1e+06")]
    [InlineData(123456789, "1.23456789e+08")]
    [InlineData(0.0001, "0.0001")]
    [InlineData(0.00001, "1e-05")]
    [InlineData(1e100, "1e+100")]
    public void Numbers_print_as_in_Go(double number, string expected) => Assert.Equal(expected, GoText.Float(number));

    [Theory]
    [InlineData("1", true)]
    [InlineData("T", true)]
    [InlineData("True", true)]
    [InlineData("false", false)]
    [InlineData("0", false)]
    public void Booleans_are_Gos(string text, bool expected)
    {
        Assert.True(GoText.TryBool(text, out var value));
        Assert.Equal(expected, value);
    }

    [Theory]
    [InlineData("yes")]
    [InlineData("")]
    [InlineData("tRuE")]
    public void What_is_no_boolean_is_refused(string text) => Assert.False(GoText.TryBool(text, out _));
}
