using System.Diagnostics;
using Npgsql;
using PiiMasking.Backing;
using PiiMasking.Tink;

namespace PiiMasking.Benchmarks;

/// <summary>
/// A table goes from one masking key to the next while logins come in at a steady rate, every tenth call once more, and a reader holds what it
/// sees to the plaintext truth: every group of equal values, through the table and through a view. <c>--rows N</c> for another size,
/// <c>--kills N</c> to kill the service or the database so many times meanwhile (and rotate as often as that takes).
/// </summary>
internal static class RotationBenchmark
{
    private const int LoginsPerCall = 50;
    private const int CallsPerSecond = 10;
    private const int RowsAtOnce = 20_000;
    private const int Days = 40;

    private static readonly TimeSpan Calm = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan SwapNeighbourhood = TimeSpan.FromSeconds(2);

    public static Benchmark Benchmark { get; } = new(
        "rotation", "a rotation of the masking key under live ingest: time, ingest beside it, truth of every sample, swap, disk (--rows N, --kills N)",
        AnswerAsync);

    private static async Task AnswerAsync(BenchmarkRun run)
    {
        var rows = run.Option("rows", run.Size(1_000_000, 5_000));
        var kills = run.Option("kills", 0);
        await using var system = await BenchmarkSystem.StartAsync(run, new SystemSetup
        {
            Environment = new() { ["Keys__ReloadEvery"] = "00:00:02", ["Rotation__CheckEvery"] = "00:00:01", ["Rotation__ReplicaGoneAfter"] = "00:00:10" },
        });
        await using var owner = NpgsqlDataSource.Create(system.System.Database.OwnerConnectionString);
        var truth = new GroupTruth(rows);
        await FillAsync(run, system, truth, rows);
        await ExecuteAsync(owner, "CREATE VIEW logins_of_analysts AS SELECT masked_ip, masked_device_id FROM user_logins; VACUUM ANALYZE user_logins");
        var before = await DiskAsync(owner);

        using var ingest = new SteadyIngest(system.System.ToMasking, truth, LoginsPerCall, CallsPerSecond);
        var reader = new GroupReader(owner, system, truth);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(run.Stopping);
        var feeding = ingest.RunAsync(stop.Token);
        var reading = reader.RunAsync(isKilling: kills > 0, stop.Token);
        await Task.Delay(run.Size(Calm, TimeSpan.FromSeconds(1)), run.Stopping);
        var calm = ingest.Rate(TimeSpan.Zero, ingest.Elapsed);

        run.Say($"{rows} rows are there; the key is changed");
        var (began, peak, killed, rotations) = (ingest.Elapsed, before, 0, 0);
        var took = Stopwatch.StartNew();
        do
        {
            var next = await system.RotateMaskingKeyAsync(run.Stopping);
            rotations++;
            while (!await IsDoneAsync(owner, next))
            {
                if (await TryDiskAsync(owner) is { } disk && disk.Tables > peak.Tables)
                    peak = disk;
                if (killed < kills)
                    await KillAsync(system, ++killed, run);
                else
                    await Task.Delay(200, run.Stopping);
            }
        }
        while (killed < kills);
        took.Stop();
        var during = ingest.Rate(began, ingest.Elapsed);
        var seconds = await ScalarAsync<double>(
            owner, "SELECT extract(epoch FROM max(ended_at - started_at))::float8 FROM rotations");
        var swappedAt = await ScalarAsync<DateTime>(owner, "SELECT max(swapped_at) FROM rotations");
        await Task.Delay(run.Size(TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(1)), run.Stopping);
        var longest = ingest.LongestCall(swappedAt - SwapNeighbourhood, swappedAt + SwapNeighbourhood);
        await stop.CancelAsync();
        await feeding.WaitAsync(run.Stopping);
        await reading.WaitAsync(run.Stopping);

        var left = await DestroyOldKeysAsync(owner, system);
        await reader.CheckAsync("user_logins", CancellationToken.None);
        await reader.CheckAsync("logins_of_analysts", CancellationToken.None);
        await ExecuteAsync(owner, "CHECKPOINT");
        var after = await DiskAsync(owner);

        var table = run.AddTable($"{rows} rows, {LoginsPerCall * CallsPerSecond} logins/s live, every tenth call once more", "what", "value");
        table.AddRow("rotations", rotations);
        table.AddRow("kills", killed);
        table.AddRow("from its beginning to its end (the longest), s", seconds);
        table.AddRow("from the new secret to the end of all, s", took.Elapsed.TotalSeconds);
        table.AddRow("logins/s committed before", calm);
        table.AddRow("logins/s committed meanwhile", during);
        table.AddRow("samples right", reader.Right);
        table.AddRow("samples", reader.Samples);
        table.AddRow("longest call within 2 s of the swap, ms", longest.TotalMilliseconds);
        table.AddRow("longest call meanwhile, ms", ingest.LongestCall(DateTime.MinValue, DateTime.MaxValue).TotalMilliseconds);
        table.AddRow("logins under a former key in the end", left);
        table.AddRow("database before, MB", before.Tables);
        table.AddRow("database at the peak, MB", peak.Tables);
        table.AddRow("database after, MB", after.Tables);
        table.AddRow("write-ahead log at the peak, MB", peak.Log);
        run.Add("samples right ÷ samples", (double)reader.Right / reader.Samples, Target.AtLeast(1));
        if (kills == 0)
        {
            run.Add("ingest meanwhile ÷ before", during / calm, Target.AtLeast(0.6));
            run.Add("longest call within 2 s of the swap, s", longest.TotalSeconds, Target.AtMost(1));
            if (rows == 1_000_000)
                run.Add("rotation of 1,000,000 rows, s", seconds, Target.AtMost(60));
        }

        if (reader.Right < reader.Samples || left > 0)
            throw new InvalidOperationException($"Of {reader.Samples} samples {reader.Right} were right, and {left} logins are under a former key.");
    }

    private static async Task FillAsync(BenchmarkRun run, BenchmarkSystem system, GroupTruth truth, int rows)
    {
        await using var table = new BareTable(system.System);
        var now = TimeProvider.System.GetUtcNow();
        for (var done = 0; done < rows; done += RowsAtOnce)
        {
            var count = Math.Min(RowsAtOnce, rows - done);
            var messages = Enumerable.Range(0, count).Select(_ => truth.Make(now.AddDays(-Random.Shared.Next(Days)))).ToArray();
            await table.CopyAsync([.. messages.Select(table.Mask)], RowsAtOnce, 1, run.Stopping);
            truth.AreStored(messages);
        }
    }

    private static async Task KillAsync(BenchmarkSystem system, int number, BenchmarkRun run)
    {
        await Task.Delay(Random.Shared.Next(300, 2_500), run.Stopping);
        var victim = Random.Shared.Next(3) == 0 ? system.System.Postgres : system.System.Masking;
        run.Say($"kill {number}: {victim.Process!.Name}");
        victim.Process!.Send(Signal.Kill);
        // One that is still starting has nothing to lose.
        await Task.Delay(2_000, run.Stopping);
        while (victim.Process!.Exited.IsCompleted)
            await Task.Delay(100, run.Stopping);
    }

    /// <summary>What is there afterwards is read with the last key alone.</summary>
    private static async Task<long> DestroyOldKeysAsync(NpgsqlDataSource owner, BenchmarkSystem system)
    {
        using var keyset = system.MaskingKeyset();
        var kept = keyset;
        foreach (var key in keyset.Keys.Where(key => !key.IsPrimary))
            kept = kept.WithStatus(key.Id, KeyStatus.Destroyed);
        system.Replace(kept);
        var start = Convert.ToBase64String([1, (byte)(kept.PrimaryKeyId >> 24), (byte)(kept.PrimaryKeyId >> 16), (byte)(kept.PrimaryKeyId >> 8), 0, 0])[..5];
        return await ScalarAsync<long>(
            owner, $"SELECT count(*) FROM user_logins WHERE left(masked_ip, 5) <> '{start}' OR left(masked_device_id, 5) <> '{start}'");
    }

    private static async Task<bool> IsDoneAsync(NpgsqlDataSource owner, uint keyId)
    {
        try
        {
            return await ScalarAsync<bool>(
                owner,
                $"SELECT EXISTS (SELECT FROM key_generation WHERE key_id = {keyId}) AND NOT EXISTS (SELECT FROM rotations WHERE ended_at IS NULL)");
        }
        catch (NpgsqlException)
        {
            return false;   // killed
        }
    }

    private static async Task<(double Tables, double Log)?> TryDiskAsync(NpgsqlDataSource owner)
    {
        try
        {
            return await DiskAsync(owner);
        }
        catch (NpgsqlException)
        {
            return null;   // killed
        }
    }

    private static async Task<(double Tables, double Log)> DiskAsync(NpgsqlDataSource owner) =>
        (await ScalarAsync<long>(owner, "SELECT pg_database_size(current_database())") / 1e6,
            (double)await ScalarAsync<decimal>(owner, "SELECT sum(size) FROM pg_ls_waldir()") / 1e6);

    private static async Task<T> ScalarAsync<T>(NpgsqlDataSource owner, string sql)
    {
        await using var command = owner.CreateCommand(sql);
        command.CommandTimeout = 0;
        return (T)(await command.ExecuteScalarAsync())!;
    }

    private static async Task ExecuteAsync(NpgsqlDataSource owner, string sql)
    {
        await using var connection = await owner.OpenConnectionAsync();
        foreach (var statement in sql.Split("; "))
        {
            await using var command = new NpgsqlCommand(statement, connection) { CommandTimeout = 0 };
            await command.ExecuteNonQueryAsync();
        }
    }
}
