using Npgsql;
using PiiMasking.MaskingService.Masking;
using PiiMasking.Tink;

namespace PiiMasking.Benchmarks;

/// <summary>Reads all groups of equal tokens again and again, opens them, and holds them to the truth.</summary>
internal sealed class GroupReader(NpgsqlDataSource owner, BenchmarkSystem system, GroupTruth truth)
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    public int Samples { get; private set; }

    public int Right { get; private set; }

    /// <summary>Samples the table and the view in turn.</summary>
    /// <param name="isKilling">The database is away at times; that is no sample then.</param>
    /// <param name="stopping">Ends it, without an exception.</param>
    public async Task RunAsync(bool isKilling, CancellationToken stopping)
    {
        for (var turn = 0; !stopping.IsCancellationRequested; turn++)
        {
            try
            {
                await CheckAsync(turn % 2 == 0 ? "user_logins" : "logins_of_analysts", stopping);
                await Task.Delay(Pause, stopping);
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (Exception e) when (isKilling && e is NpgsqlException or IOException)
            {
                await Task.Delay(Pause, CancellationToken.None);
            }
        }
    }

    /// <summary>One sample: both fields, each in one statement.</summary>
    public async Task CheckAsync(string from, CancellationToken stopping)
    {
        using var keyset = system.MaskingKeyset();
        using var aead = new DeterministicAead(keyset);
        var isRight = true;
        foreach (var (field, column) in new[] { (FieldMask.Ip, "masked_ip"), (FieldMask.DeviceId, "masked_device_id") })
        {
            var before = truth.StoredSoFar();
            var groups = new List<(string Value, long Logins)>();
            var cipher = aead.ForField(field);
            await using var connection = await owner.OpenConnectionAsync(stopping);
            await using var command = new NpgsqlCommand($"SELECT {column}, count(*) FROM {from} GROUP BY 1 HAVING count(*) > 1", connection)
            {
                CommandTimeout = 0,
            };
            await using var reader = await command.ExecuteReaderAsync(stopping);
            while (await reader.ReadAsync(stopping))
            {
                if (FieldMask.TryOpen(cipher, field, reader.GetString(0)) is { } value)
                    groups.Add((value.Expose(), reader.GetInt64(1)));
                else
                    isRight = false;
            }

            var isIp = field == FieldMask.Ip;
            isRight &= truth.Holds(isIp, groups, isIp ? before.Ips : before.DeviceIds);
        }

        Samples++;
        Right += isRight ? 1 : 0;
    }
}
