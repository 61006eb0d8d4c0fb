using PiiMasking.Benchmarks;

// One benchmark a run, by name; build with -c Release. --smoke only tries whether it works.
Benchmark[] benchmarks =
[
    MaskingBenchmark.Benchmark,
    PoisonBenchmark.Benchmark,
    MemoryBenchmark.Benchmark,
    StorageBenchmark.Benchmark,
    PipelineBenchmark.Benchmark,
];

var names = args.Where(arg => arg != "--smoke").ToArray();
var isSmoke = names.Length < args.Length;
var chosen = names is ["all"] ? benchmarks : [.. benchmarks.Where(benchmark => names.Contains(benchmark.Name))];
if (chosen.Length == 0 || (names is not ["all"] && chosen.Length < names.Length))
{
    Console.Error.WriteLine("Usage: dotnet run -c Release --project tests/Benchmarks -- NAME… [--smoke]");
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
foreach (var benchmark in chosen)
{
    Console.Error.WriteLine($"{benchmark.Name}: {benchmark.Question}");
    var run = new BenchmarkRun(benchmark.Name, isSmoke, stop.Token);
    await benchmark.AnswerAsync(run);
    Report.Print(run);
    Console.Error.WriteLine($"  {Report.Save(run)}");
}

return 0;
