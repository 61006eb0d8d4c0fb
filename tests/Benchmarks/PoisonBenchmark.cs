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
        var rounds = run.Rounds(9);
        await using var system = await BenchmarkSystem.StartAsync(run, new SystemSetup { IsConcurrent = true });
        var backlog = new Backlog(system, run.Stopping);
        var before = await system.System.Database.TotalsAsync(run.Stopping);
        // Until the runtimes have compiled again what runs often.
        var warmUp = run.Size(100_000, 125);
        await backlog.DrainAsync(Mixed(warmUp));

        const string clean = "good only", poisoned = "a fifth bad";
        var queues = new Dictionary<string, Func<IEnumerable<string>>>
        {
            [clean] = () => Enumerable.Range(0, messages).Select(_ => SomeLogins.Body()),
            [poisoned] = () => Mixed(messages),
        };
        var table = run.AddTable($"{messages} messages waiting, a second", "queue", "round", "messages", "good logins");
        var measured = new Rounds();
        for (var round = 1; round <= rounds; round++)
        {
            // In turns, so that what else the machine does meets both, and neither is always the one after the other.
            foreach (var (queue, bodies) in round % 2 == 1 ? queues : queues.Reverse())
            {
                var cpu = system.CpuTimes();
                var took = await backlog.DrainAsync(bodies());
                foreach (var (program, time) in system.CpuTimes())
                    measured.Add($"{program}, {queue}", (time - cpu[program]).TotalMicroseconds / messages);
                var good = queue == clean ? messages : messages * (1 - ShareOfPoison);
                table.AddRow(queue, round, messages / took.TotalSeconds, measured.Add(queue, good / took.TotalSeconds));
            }

            run.Say($"round {round} of {rounds}");
        }

        var times = run.AddTable("CPU time, µs a message", ["queue", .. BenchmarkSystem.ProgramNames, "all"]);
        foreach (var queue in queues.Keys)
        {
            var ofPrograms = BenchmarkSystem.ProgramNames.Select(program => measured.Median($"{program}, {queue}")).ToArray();
            times.AddRow([queue, .. ofPrograms.Cast<object>(), ofPrograms.Sum()]);
        }

        var all = warmUp + (rounds * messages * 2);
        var bad = (warmUp / 5) + (rounds * messages / 5);
        var (stored, _, quarantined) = await system.System.Database.TotalsAsync(run.Stopping) - before;
        if (stored != all - bad || quarantined != bad)
            throw new InvalidOperationException($"Of {all} messages, {bad} of them bad, {stored} were stored and {quarantined} quarantined.");
        run.Add("good logins/s beside poison, of those without", measured.MedianRatio(poisoned, clean), Target.AtLeast(0.8));
    }

    private static IEnumerable<string> Mixed(int messages) => Enumerable.Range(0, messages)
        .Select(number => number % 5 == 4 ? Poison[number / 5 % Poison.Length]() : SomeLogins.Body());
}
