using PiiMasking.Testing;

namespace PiiMasking.Benchmarks;

/// <summary>Does poison slow down its neighbours?</summary>
internal static class PoisonBenchmark
{
    private const double ShareOfPoison = 0.2;

    // Each costs one row in the quarantine: broken JSON, other JSON, a value that is none, another envelope.
    private static readonly Func<string>[] Poison =
    [
        () => A.Login()[..^1],
        A.WrongMessage,
        () => A.Login(ip: "300.1.1.1"),
        () => A.Login(appVersion: "latest"),
        () => """{"specversion": "1.0", "id": "1", "source": "x", "type": "y"}""",
    ];

    public static Benchmark Benchmark { get; } = new("poison", "how much slower good logins get when a fifth of the queue is bad", AnswerAsync);

    private static async Task AnswerAsync(BenchmarkRun run)
    {
        var messages = run.Size(40_000, 500);
        var rounds = run.Size(5, 1);
        await using var system = await BenchmarkSystem.StartAsync(run, new SystemSetup { IsConcurrent = true });
        var backlog = new Backlog(system, run.Stopping);
        var before = await system.System.Database.TotalsAsync(run.Stopping);
        await backlog.DrainAsync(Mixed(messages / 4));   // everything is compiled and connected

        var table = run.AddTable($"Good logins a second, {messages} messages waiting", "queue", "round", "good logins/s");
        const string clean = "good only", poisoned = "a fifth bad";
        var measured = new Rounds();
        for (var round = 1; round <= rounds; round++)
        {
            // In turns, so that what else the machine does meets both.
            var alone = await backlog.DrainAsync(Enumerable.Range(0, messages).Select(_ => SomeLogins.Body()));
            table.AddRow(clean, round, measured.Add(clean, messages / alone.TotalSeconds));
            var beside = await backlog.DrainAsync(Mixed(messages));
            table.AddRow(poisoned, round, measured.Add(poisoned, messages * (1 - ShareOfPoison) / beside.TotalSeconds));
            run.Say($"round {round} of {rounds}");
        }

        var all = (messages / 4) + (rounds * messages * 2);
        var bad = (messages / 4 / 5) + (rounds * messages / 5);
        var (stored, _, quarantined) = await system.System.Database.TotalsAsync(run.Stopping) - before;
        if (stored != all - bad || quarantined != bad)
            throw new InvalidOperationException($"Of {all} messages, {bad} of them bad, {stored} were stored and {quarantined} quarantined.");
        run.Add("good logins/s beside poison, of those without", measured.MedianRatio(poisoned, clean), Target.AtLeast(0.8));
    }

    private static IEnumerable<string> Mixed(int messages) => Enumerable.Range(0, messages)
        .Select(number => number % 5 == 4 ? Poison[number / 5 % Poison.Length]() : SomeLogins.Body());
}
