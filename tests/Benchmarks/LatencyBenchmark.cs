using System.Diagnostics;
using Npgsql;
using PiiMasking.Backing;

namespace PiiMasking.Benchmarks;

/// <summary>
/// Age of a login when its row is committed: from just before it is sent, by the clock of this machine, to the commit as PostgreSQL
/// notes it. At shares of the rate at which the system drains a full queue.
/// </summary>
internal static class LatencyBenchmark
{
    private const int MessagesPerBurst = 10;

    public static Benchmark Benchmark { get; } = new("latency", "age of a login at its commit, at parts of the maximum rate", AnswerAsync);

    private static async Task AnswerAsync(BenchmarkRun run)
    {
        await using var system = await BenchmarkSystem.StartAsync(run);
        await using var table = new BareTable(system.System);
        await NoteCommitTimesAsync(run, system, table);

        var count = run.Size(20_000, 100);
        var most = new Rounds();
        for (var round = 0; round < run.Rounds(3) + 1; round++)
        {
            system.Hold();
            await system.FillAsync(count, run.Stopping);
            var took = Stopwatch.StartNew();
            system.Resume();
            await system.WaitUntilDeletedAsync(run.Stopping);
            if (round > 0 || run.IsSmoke)
                most.Add("rate", count / took.Elapsed.TotalSeconds);
        }

        var maximum = most.Median("rate");
        var result = run.AddTable(
            $"Age at commit; the maximum is {maximum:#,0} messages/s (draining a full queue)", "rate", "messages/s", "p50, ms", "p99, ms", "largest, ms");
        foreach (var (name, rate) in new[] { ("a message at a time", 0.0), ("25 %", 0.25), ("50 %", 0.5), ("80 %", 0.8) })
        {
            run.Say(name);
            await table.EmptyAsync(run.Stopping);
            var sent = rate > 0
                ? await SendAsync(run, system, maximum * rate, run.Size(TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(0.5)))
                : await SendSinglyAsync(run, system, run.Size(200, 5));
            var ages = await AgesAsync(run, table, sent);
            result.AddRow(
                name, rate * maximum, Rounds.MedianOf(ages), Rounds.PercentileOf(ages, 0.99), ages.DefaultIfEmpty(double.NaN).Max());
            if (rate == 0.5)
                run.Add("p99 age at commit at 50 % of maximum, ms", Rounds.PercentileOf(ages, 0.99), Target.AtMost(250));
        }
    }

    /// <summary>The server is started again, with commit timestamps; AppHost does that by itself when it ends.</summary>
    private static async Task NoteCommitTimesAsync(BenchmarkRun run, BenchmarkSystem system, BareTable table)
    {
        await using (var set = table.Owner.CreateCommand("ALTER SYSTEM SET track_commit_timestamp = on"))
            await set.ExecuteNonQueryAsync(run.Stopping);
        await system.System.Postgres.Process!.StopAsync(Signal.Interrupt, TimeSpan.FromSeconds(20));
        while (true)
        {
            try
            {
                // The connection that this one keeps broke too, and is not for the next benchmark of a smoke run to find.
                await system.System.Database.TotalsAsync(run.Stopping);
                await using var show = table.Owner.CreateCommand("SHOW track_commit_timestamp");
                if (await show.ExecuteScalarAsync(run.Stopping) is "on")
                    return;
            }
            catch (NpgsqlException)
            {
                // Not up again yet.
            }

            await Task.Delay(100, run.Stopping);
        }
    }

    private static async Task<Dictionary<Guid, DateTime>> SendAsync(BenchmarkRun run, BenchmarkSystem system, double rate, TimeSpan howLong)
    {
        var sent = new Dictionary<Guid, DateTime>();
        var pending = new List<Task>();
        var took = Stopwatch.StartNew();
        for (var bursts = 0; took.Elapsed < howLong; bursts++)
        {
            var due = TimeSpan.FromSeconds(bursts * MessagesPerBurst / rate);
            if (due > took.Elapsed)
                await Task.Delay(due - took.Elapsed, run.Stopping);
            // Not awaited at once: the next burst is due at its time, however long this one takes.
            pending.Add(SendBurstAsync());
        }

        await Task.WhenAll(pending);
        await system.WaitUntilDeletedAsync(run.Stopping);
        return sent;

        async Task SendBurstAsync()
        {
            var at = TimeProvider.System.GetUtcNow().UtcDateTime;
            foreach (var id in await system.SendAsync(MessagesPerBurst, run.Stopping))
            {
                lock (sent)
                    sent[id] = at;
            }
        }
    }

    private static async Task<Dictionary<Guid, DateTime>> SendSinglyAsync(BenchmarkRun run, BenchmarkSystem system, int count)
    {
        var sent = new Dictionary<Guid, DateTime>();
        for (var i = 0; i < count; i++)
        {
            var at = TimeProvider.System.GetUtcNow().UtcDateTime;
            sent[(await system.SendAsync(1, run.Stopping)).Single()] = at;
            await system.WaitUntilDeletedAsync(run.Stopping);
        }

        return sent;
    }

    private static async Task<List<double>> AgesAsync(BenchmarkRun run, BareTable table, Dictionary<Guid, DateTime> sent)
    {
        await using var command = table.Owner.CreateCommand("SELECT message_id, pg_xact_commit_timestamp(xmin) FROM user_logins");
        await using var reader = await command.ExecuteReaderAsync(run.Stopping);
        var ages = new List<double>();
        while (await reader.ReadAsync(run.Stopping))
        {
            if (sent.TryGetValue(reader.GetGuid(0), out var at))
                ages.Add((reader.GetDateTime(1) - at).TotalMilliseconds);
        }

        return ages.Count == sent.Count ? ages : throw new InvalidOperationException($"Of {sent.Count} messages {ages.Count} were stored.");
    }
}
