using System.Diagnostics;
using System.Globalization;
using PiiMasking.Benchmarks;
using StopRequest = PiiMasking.AppHost.StopRequest;

// One benchmark a run, by name; build with -c Release. --smoke only tries whether it works. A run fails
// when a benchmark breaks, never for a figure.
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

// For one benchmark of a smoke run: what it still waits for then does not come.
var smokeLimit = TimeSpan.FromMinutes(3);
var verdicts = new List<string>();
var broken = 0;
using var stop = new StopRequest();
try
{
    foreach (var benchmark in chosen)
    {
        Console.Error.WriteLine($"{benchmark.Name}: {benchmark.Question}");
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stop.Token);
        limit.CancelAfter(isSmoke ? smokeLimit : Timeout.InfiniteTimeSpan);
        var run = new BenchmarkRun(benchmark.Name, isSmoke, rounds, limit.Token) { MostRows = mostRows, Options = options };
        var clock = Stopwatch.StartNew();
        string Took() => string.Create(CultureInfo.InvariantCulture, $"{clock.Elapsed.TotalSeconds:0.0} s");
        try
        {
            await benchmark.AnswerAsync(run);
            Report.Print(run);
            Console.Error.WriteLine($"  {Report.Save(run)}");
            verdicts.Add($"passed: {benchmark.Name}, {Took()}");
        }
        catch (Exception error) when (!stop.Token.IsCancellationRequested)
        {
            Report.Print(run);
            Console.Error.WriteLine(error);
            var reason = limit.IsCancellationRequested ? $"it has not come to its end within {smokeLimit}" : error.Message;
            verdicts.Add($"FAILED: {benchmark.Name}, {Took()}: {reason}");
            broken++;
            // The next one is not to inherit what broke this.
            await BenchmarkSystem.StopSharedAsync();
        }
    }
}
catch (Exception) when (stop.Token.IsCancellationRequested)
{
    return 130;
}
finally
{
    await BenchmarkSystem.StopSharedAsync();
}

Console.WriteLine();
foreach (var verdict in verdicts)
    Console.WriteLine(verdict);
return broken == 0 ? 0 : 1;
