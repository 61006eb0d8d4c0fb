using PiiMasking.Benchmarks;

// One benchmark a run, by name; build with -c Release.
switch (args)
{
    case ["masking"]:
        MaskingBenchmark.Run();
        return 0;
    default:
        Console.Error.WriteLine("Usage: dotnet run -c Release --project tests/Benchmarks -- masking");
        return 1;
}
