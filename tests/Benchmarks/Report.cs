using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using PiiMasking.Backing;

namespace PiiMasking.Benchmarks;

/// <summary>What a run found: as Markdown on the screen, as JSON in artifacts/benchmarks, which git ignores.</summary>
internal static class Report
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>Where the JSON goes: one file a run.</summary>
    public static string Folder { get; } = Path.Combine(Repository.Root, "artifacts", "benchmarks");

    /// <summary>Prints tables and figures.</summary>
    public static void Print(BenchmarkRun run)
    {
        foreach (var table in run.Tables)
        {
            Console.WriteLine();
            Console.WriteLine(table.Title);
            Console.WriteLine();
            Console.WriteLine($"| {string.Join(" | ", table.Columns)} |");
            Console.WriteLine($"|{string.Join('|', table.Columns.Select((_, at) => IsNumeric(table, at) ? "---:" : "---"))}|");
            foreach (var row in table.Rows)
                Console.WriteLine($"| {string.Join(" | ", row.Select(Text))} |");
        }

        Console.WriteLine();
        if (run.Figures.Count > 0)
        {
            Console.WriteLine("| figure | value | target | |");
            Console.WriteLine("|---|---:|---:|---|");
            foreach (var (what, value, target) in run.Figures)
            {
                var verdict = target is null || run.IsSmoke ? "" : target.IsMetBy(value) ? "met" : "missed";
                Console.WriteLine($"| {what} | {Text(value)} | {Text(target)} | {verdict} |");
            }

            Console.WriteLine();
        }

        Console.WriteLine($"{Machine()}; {Now()}{(run.IsSmoke ? "; smoke run, the figures mean nothing" : "")}");
    }

    /// <returns>The file's path.</returns>
    public static string Save(BenchmarkRun run)
    {
        Directory.CreateDirectory(Folder);
        var path = Path.Combine(Folder, $"{run.Name}-{TimeProvider.System.GetUtcNow().ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture)}.json");
        var json = new JsonObject
        {
            ["benchmark"] = run.Name,
            ["smoke"] = run.IsSmoke,
            ["machine"] = Machine(),
            ["at"] = Now(),
            ["figures"] = new JsonArray([.. run.Figures.Select(figure => new JsonObject
            {
                ["what"] = figure.What,
                ["value"] = Number(figure.Value),
                ["target"] = figure.Target is { } target ? Text(target) : null,
                ["isMet"] = figure.Target?.IsMetBy(figure.Value),
            })]),
            ["tables"] = new JsonArray([.. run.Tables.Select(table => new JsonObject
            {
                ["title"] = table.Title,
                ["rows"] = new JsonArray([.. table.Rows.Select(row => new JsonObject(
                    table.Columns.Zip(row, (column, cell) => KeyValuePair.Create<string, JsonNode?>(column, Node(cell)))))]),
            })]),
        };
        File.WriteAllText(path, json.ToJsonString(Indented));
        return path;
    }

    private static bool IsNumeric(ResultTable table, int column) => table.Rows.Count > 0 && table.Rows.All(row => row[column] is not string);

    private static string Text(object? cell) => cell switch
    {
        null => "",
        Target { IsLeast: true } target => $"≥ {Text(target.Bound)}",
        Target target => $"≤ {Text(target.Bound)}",
        double value when Math.Abs(value) >= 100 => value.ToString("#,0", CultureInfo.InvariantCulture),
        double value when Math.Abs(value) >= 10 => value.ToString("0.#", CultureInfo.InvariantCulture),
        double value => value.ToString("0.###", CultureInfo.InvariantCulture),
        IFormattable integer and (int or long) => integer.ToString("#,0", CultureInfo.InvariantCulture),
        _ => cell.ToString()!,
    };

    private static JsonValue? Node(object cell) => cell switch
    {
        double value => Number(value),
        int or long => JsonValue.Create(Convert.ToInt64(cell, CultureInfo.InvariantCulture)),
        _ => JsonValue.Create(cell.ToString()),
    };

    // JSON has no word for them.
    private static JsonValue? Number(double value) => double.IsFinite(value) ? JsonValue.Create(value) : null;

    private static string Now() => TimeProvider.System.GetUtcNow().ToString("yyyy-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture);

    private static string Machine()
    {
        var model = File.Exists("/proc/cpuinfo")
            ? File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':')[^1].Trim()
            : null;
        return $"{Environment.ProcessorCount} cores {model ?? RuntimeInformation.ProcessArchitecture.ToString()}, "
            + $"{RuntimeInformation.OSDescription}, {RuntimeInformation.FrameworkDescription}";
    }
}
