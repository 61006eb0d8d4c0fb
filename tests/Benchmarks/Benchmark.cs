namespace PiiMasking.Benchmarks;

/// <summary>One question, asked by its name on the command line.</summary>
/// <param name="Name">The command.</param>
/// <param name="Question">What it answers, in a line.</param>
/// <param name="AnswerAsync">Measures, and enters what it found.</param>
internal sealed record Benchmark(string Name, string Question, Func<BenchmarkRun, Task> AnswerAsync);

/// <summary>One run of one benchmark: how large it is to be, and what it found.</summary>
/// <param name="name">The benchmark's.</param>
/// <param name="isSmoke">Only to see whether the benchmark works: as small as it gets, figures mean nothing.</param>
/// <param name="rounds">How often everything is measured; null for as often as the benchmark finds right.</param>
/// <param name="stopping">Ends it.</param>
internal sealed class BenchmarkRun(string name, bool isSmoke, int? rounds, CancellationToken stopping)
{
    private readonly List<ResultTable> tables = [];
    private readonly List<Figure> figures = [];

    public string Name => name;

    public bool IsSmoke => isSmoke;

    public CancellationToken Stopping => stopping;

    public IReadOnlyList<ResultTable> Tables => tables;

    public IReadOnlyList<Figure> Figures => figures;

    /// <summary>Numbers given on the command line, by name.</summary>
    public IReadOnlyDictionary<string, int> Options { get; init; } = new Dictionary<string, int>();

    /// <returns>A number of the command line.</returns>
    public int Option(string name, int otherwise) => Options.TryGetValue(name, out var value) ? value : otherwise;

    /// <returns>The size that this run is to have.</returns>
    public T Size<T>(T full, T smoke) => isSmoke ? smoke : full;

    /// <returns>How often everything is to be measured.</returns>
    public int Rounds(int usual) => rounds ?? Size(usual, 1);

    /// <summary>Tables are filled with no more rows than this.</summary>
    public int MostRows { get; init; } = int.MaxValue;

    /// <summary>A line about what goes on, for whoever waits.</summary>
    public void Say(string line)
    {
        _ = this;
        Console.Error.WriteLine($"  {line}");
    }

    /// <summary>A new table of results, printed at the end.</summary>
    public ResultTable AddTable(string title, params string[] columns)
    {
        var table = new ResultTable(title, columns);
        tables.Add(table);
        return table;
    }

    /// <summary>A figure that matters, usually a ratio, beside what it should be.</summary>
    public void Add(string what, double value, Target? target = null) => figures.Add(new Figure(what, value, target));
}

/// <summary>Rows of figures under the same headings.</summary>
internal sealed class ResultTable(string title, IReadOnlyList<string> columns)
{
    private readonly List<IReadOnlyList<object>> rows = [];

    public string Title => title;

    public IReadOnlyList<string> Columns => columns;

    public IReadOnlyList<IReadOnlyList<object>> Rows => rows;

    /// <param name="cells">Texts and numbers, one a column.</param>
    public void AddRow(params object[] cells)
    {
        if (cells.Length != columns.Count)
            throw new ArgumentException($"{cells.Length} cells for {columns.Count} columns.", nameof(cells));
        rows.Add(cells);
    }
}

/// <summary>What a figure should be.</summary>
/// <param name="Bound">The least or the most.</param>
/// <param name="IsLeast">Whether larger is better.</param>
internal sealed record Target(double Bound, bool IsLeast)
{
    public static Target AtLeast(double bound) => new(bound, IsLeast: true);

    public static Target AtMost(double bound) => new(bound, IsLeast: false);

    public bool IsMetBy(double value) => IsLeast ? value >= Bound : value <= Bound;
}

/// <summary>A figure that matters.</summary>
internal sealed record Figure(string What, double Value, Target? Target);
