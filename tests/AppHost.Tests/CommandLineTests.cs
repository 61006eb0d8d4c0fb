namespace PiiMasking.AppHost.Tests;

public sealed class CommandLineTests
{
    [Fact]
    public void Without_arguments_a_hundred_samples_are_sent_and_the_system_stays_up()
    {
        var options = Parse();

        Assert.Equal(new AppHostOptions { Messages = 100, Sidecar = SidecarChoice.Auto }, options);
    }

    [Fact]
    public void Every_option_reaches_the_run()
    {
        var options = Parse("--once", "--messages", "5", "--reset", "--sidecar", "local", "--debug");

        Assert.Equal(
            new AppHostOptions { Once = true, Messages = 5, Reset = true, Sidecar = SidecarChoice.Local, Debug = true }, options);
    }

    [Fact]
    public void Only_backing_is_the_one_part_that_can_be_started_alone()
    {
        Assert.True(Parse("--only", "backing").OnlyBacking);
        Assert.Contains("backing", Errors("--only", "masking"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--messages takes a number from 0 to 1000000", "--messages", "-1")]
    [InlineData("--messages", "--messages", "many")]
    [InlineData("do not go together", "--file", "/dev/null", "--messages", "5")]
    [InlineData("do not go together", "--only", "backing", "--once")]
    [InlineData("/no/such/file", "--file", "/no/such/file")]
    [InlineData("envoy", "--sidecar", "envoy")]
    [InlineData("--nonsense", "--nonsense")]
    public void A_wrong_argument_is_named(string named, params string[] arguments) =>
        Assert.Contains(named, Errors(arguments), StringComparison.Ordinal);

    private static AppHostOptions Parse(params string[] arguments)
    {
        AppHostOptions? given = null;
        var parsed = CommandLine.Build(options =>
        {
            given = options;
            return Task.FromResult(0);
        }).Parse(arguments);
        Assert.Empty(parsed.Errors);
        parsed.Invoke();
        return given!;
    }

    private static string Errors(params string[] arguments)
    {
        var errors = CommandLine.Build(_ => Task.FromResult(0)).Parse(arguments).Errors;
        Assert.NotEmpty(errors);
        return string.Join('\n', errors.Select(error => error.Message));
    }
}
