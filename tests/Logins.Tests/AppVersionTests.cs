namespace PiiMasking.Logins.Tests;

public class AppVersionTests
{
    [Theory]
    [InlineData("2.3.0", 2_003_000)]
    [InlineData("0.96", 96_000)]
    [InlineData("6.02", 6_002_000)]
    [InlineData("2", 2_000_000)]
    [InlineData("0", 0)]
    [InlineData("2.00", 2_000_000)]
    [InlineData("0.2.6", 2_006)]
    [InlineData("1.999.999", 1_999_999)]
    [InlineData("0000002.3", 2_003_000)]
    [InlineData("2147.483.647", 2_147_483_647)]
    public void A_version_is_one_number_that_sorts(string text, int version)
    {
        Assert.True(AppVersion.TryParse(text, out var found));
        Assert.Equal(version, found);
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("2.")]
    [InlineData(".2")]
    [InlineData("2..3")]
    [InlineData("2.3.0.1")]
    [InlineData("1.1000")]
    [InlineData("1.0.1000")]
    [InlineData("2147.483.648")]
    [InlineData("2148")]
    [InlineData("99999999999999999999")]
    [InlineData("-1")]
    [InlineData("+1")]
    [InlineData(" 1")]
    [InlineData("1 ")]
    [InlineData("1.0-beta")]
    [InlineData("v1")]
    [InlineData("1,0")]
    [InlineData("\u0662.\u0663")]
    [InlineData("1e3")]
    [InlineData("1\0")]
    [InlineData("1.2\0.3")]
    public void Anything_else_is_no_version(string text) => Assert.False(AppVersion.TryParse(text, out _));
}
