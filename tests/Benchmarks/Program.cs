using System.Globalization;
using PiiMasking.Benchmarks;

// One benchmark a run, by name; build with -c Release. --smoke only tries whether it works.
Benchmark[] benchmarks =
[
    MaskingBenchmark.Benchmark,
    PoisonBenchmark.Benchmark,
    MemoryBenchmark.Benchmark,
    StorageBenchmark.Benchmark,
    PipelineBenchmark.Benchmark,
    PipelineBenchmark.BatchSizes,
    InMemoryBenchmark.Benchmark,
    LatencyBenchmark.Benchmark,
    CostBenchmark.Benchmark,
    AllocationBenchmark.Benchmark,
    GrowthBenchmark.Benchmark,
    RotationBenchmark.Benchmark,
];

var chosen = new List<Benchmark>();
var isSmoke = false;
int? rounds = null;
var mostRows = int.MaxValue;
var options = new Dictionary<string, int>();
var isUnderstood = args.Length > 0;
foreach (var (arg, before) in args.Zip(args.Prepend("")))
{
    if (arg == "--smoke")
        isSmoke = true;
    else if (arg == "all")
        chosen.AddRange(benchmarks);
    else if (benchmarks.FirstOrDefault(benchmark => benchmark.Name == arg) is { } named)
        chosen.Add(named);
    else if (before == "--rounds" && int.TryParse(arg, CultureInfo.InvariantCulture, out var number) && number > 0)
        rounds = number;
    else if (before == "--most-rows" && int.TryParse(arg, CultureInfo.InvariantCulture, out var most) && most > 0)
        mostRows = most;
    else if (before is "--rows" or "--kills" && int.TryParse(arg, CultureInfo.InvariantCulture, out var value) && value > 0)
        options[before[2..]] = value;
    else
        isUnderstood &= arg is "--rounds" or "--most-rows" or "--rows" or "--kills";
}

if (!isUnderstood || chosen.Count == 0)
{
    Console.Error.WriteLine("Usage: dotnet run -c Release --project tests/Benchmarks -- NAME… [--rounds N] [--most-rows N] [--rows N] [--kills N] [--smoke]");
    Console.Error.WriteLine("all: each of these, one after the other");
    foreach (var benchmark in benchmarks)
        Console.Error.WriteLine($"{benchmark.Name}: {benchmark.Question}");
    return 1;
}

using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, pressed) =>
{
    pressed.Cancel = true;
    stop.Cancel();
};
try
{
    foreach (var benchmark in chosen)
    {
        Console.Error.WriteLine($"{benchmark.Name}: {benchmark.Question}");
        var run = new BenchmarkRun(benchmark.Name, isSmoke, rounds, stop.Token) { MostRows = mostRows, Options = options };
        await benchmark.AnswerAsync(run);
        Report.Print(run);
        Console.Error.WriteLine($"  {Report.Save(run)}");
    }
}
finally
{
    await BenchmarkSystem.StopSharedAsync();
}

return 0;
