using Spectre.Console;

namespace PiiMasking.AppHost.Tests;

public sealed class ScreenTests : IDisposable
{
    private readonly StringWriter output = new();

    public void Dispose() => output.Dispose();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Progress_ends_with_what_is_true_then(bool isTerminal)
    {
        var screen = NewScreen(isTerminal);

        var result = await screen.WatchAsync(2, report =>
        {
            report(new Progress(0, default, default));
            report(new Progress(2, new LoginQueueDepth(1, 1, 0), new Totals(0, 0, 0)));
            report(new Progress(2, default, new Totals(1, 0, 1)));
            return Task.FromResult("done");
        });

        Assert.Equal("done", result);
        Assert.Contains("stored 1, repeated 0, quarantined 1", output.ToString().ReplaceLineEndings(" "), StringComparison.Ordinal);
    }

    [Fact]
    public void Where_there_is_no_terminal_no_line_is_wrapped_or_coloured()
    {
        var line = $"Its output: /{new string('x', 400)} [end]";

        NewScreen(isTerminal: false).Note(line);

        Assert.Equal(line + "\n", output.ToString().ReplaceLineEndings("\n"));
    }

    [Fact]
    public void What_looks_like_markup_is_shown_as_it_is()
    {
        var screen = NewScreen(isTerminal: true);

        screen.Table("Title [x]", ["a [b]"], [["[red]value[/]"]]);

        Assert.Contains("[red]value[/]", output.ToString(), StringComparison.Ordinal);
        Assert.Contains("a [b]", output.ToString(), StringComparison.Ordinal);
    }

    private Screen NewScreen(bool isTerminal)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = isTerminal ? AnsiSupport.Yes : AnsiSupport.No,
            ColorSystem = isTerminal ? ColorSystemSupport.Standard : ColorSystemSupport.NoColors,
            Interactive = isTerminal ? InteractionSupport.Yes : InteractionSupport.No,
            Out = new AnsiConsoleOutput(output),
        });
        console.Profile.Width = 160;
        return new Screen(console, isTerminal);
    }
}
