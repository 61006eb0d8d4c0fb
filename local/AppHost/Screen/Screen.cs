using System.Globalization;
using Spectre.Console;

namespace PiiMasking.AppHost;

/// <summary>What the user sees: colours and a moving bar on a terminal, plain lines elsewhere.</summary>
internal sealed class Screen
{
    private readonly IAnsiConsole console;
    private readonly bool isTerminal;
    private bool isMoving;

    public Screen()
        : this(AnsiConsole.Console, !Console.IsOutputRedirected)
    {
    }

    /// <param name="console">Where to write.</param>
    /// <param name="isTerminal">False for lines that are never wrapped nor overwritten.</param>
    internal Screen(IAnsiConsole console, bool isTerminal)
    {
        this.console = console;
        this.isTerminal = isTerminal;
        if (!isTerminal)
            console.Profile.Width = 200;
    }

    /// <summary>A line about something that has happened.</summary>
    /// <remarks>Not wrapped, so that what is copied from it is in one piece; only above a moving bar it has to be.</remarks>
    public void Note(string line)
    {
        lock (console)
        {
            if (isMoving)
                console.WriteLine(line);
            else
                console.Profile.Out.Writer.WriteLine(line);
        }
    }

    /// <summary>A line to be copied: never wrapped.</summary>
    public void Whole(string line)
    {
        lock (console)
            console.Profile.Out.Writer.WriteLine(line);
    }

    /// <summary>A line that stands out.</summary>
    public void Headline(string line)
    {
        lock (console)
        {
            console.WriteLine();
            console.MarkupLineInterpolated($"[bold]{line}[/]");
        }
    }

    /// <summary>A table with a line above it.</summary>
    public void Table(string title, IReadOnlyList<string> columns, IEnumerable<IReadOnlyList<string>> rows)
    {
        var table = new Table { Border = isTerminal ? TableBorder.Rounded : TableBorder.Ascii2 };
        foreach (var column in columns)
            table.AddColumn(new TableColumn(Markup.Escape(column)) { NoWrap = true });
        foreach (var row in rows)
            table.AddRow([.. row.Select(cell => new Text(cell))]);
        Headline(title);
        lock (console)
            console.Write(table);
    }

    /// <summary>Shows how far a delivery is while <paramref name="work"/> runs.</summary>
    public async Task<T> WatchAsync<T>(int? expected, Func<Action<Progress>, Task<T>> work)
    {
        if (!isTerminal)
            return await work(OnceASecond());

        isMoving = true;
        var result = await console.Progress()
            .AutoClear(false)
            .HideCompleted(false)
            .Columns(new ProgressBarColumn(), new TaskDescriptionColumn { Alignment = Justify.Left })
            .StartAsync(async context =>
            {
                var bar = context.AddTask(Describe(default), maxValue: expected ?? 1);
                return await work(now =>
                {
                    bar.MaxValue = Math.Max(1, expected ?? now.Sent);
                    bar.Value = now.Since.Stored + now.Since.Quarantined;
                    bar.Description = Describe(now);
                });
            });
        isMoving = false;
        return result;
    }

    private static string Describe(Progress now) => string.Create(
        CultureInfo.InvariantCulture,
        $"sent {now.Sent} | queue {now.Queue.Waiting} waiting, {now.Queue.InWork} in work, {now.Queue.Dead} dead | stored {now.Since.Stored}, "
        + $"repeated {now.Since.Repeated}, quarantined {now.Since.Quarantined}");

    /// <returns>Writes a line when something has changed, at most one a second, and the last one always.</returns>
    private Action<Progress> OnceASecond()
    {
        Progress? shown = null;
        var since = System.Diagnostics.Stopwatch.StartNew();
        return now =>
        {
            var isFirst = shown is null;
            if (now == shown || (!isFirst && since.Elapsed < TimeSpan.FromSeconds(1) && !now.Queue.IsEmpty))
                return;
            shown = now;
            since.Restart();
            Note(Describe(now));
        };
    }
}
