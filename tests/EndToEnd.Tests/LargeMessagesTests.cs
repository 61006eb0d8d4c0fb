using System.Globalization;
using PiiMasking.AppHost;
using PiiMasking.Testing;

namespace PiiMasking.EndToEnd.Tests;

public sealed class LargeMessagesTests(RunningSystem running)
{
    private const int Large = 1024 * 1024;

    [Fact]
    public async Task Messages_of_1_MiB_go_through_beside_small_ones_in_bounded_memory()
    {
        // 160, which makes 200 of 1 MiB, is the long run.
        var count = int.Parse(Environment.GetEnvironmentVariable("LARGE_MESSAGES") ?? "40", CultureInfo.InvariantCulture) / 4 * 4;
        var logins = Enumerable.Range(0, count).SelectMany(number => new[]
        {
            new Sample(Padded(A.Login())),
            new Sample(number % 4 == 0 ? new string('x', Large) : A.Login()),
            new Sample(A.Login()),
        });

        var result = await running.DeliverAsync(logins);

        Assert.True(result.IsComplete, $"{result}");
        Assert.Equal(((count * 3) - (count / 4), count / 4), (result.Fate.Stored, result.Fate.Quarantined));
        Assert.All(
            new[] { running.System.Component, running.System.Ingestion, running.System.Masking, running.System.IngestionSidecar },
            program => Assert.InRange(PeakMegabytes(program.Process!.Id), 1, 600));
    }

    /// <returns>A valid login of exactly 1 MiB: the largest body that SQS takes.</returns>
    private static string Padded(string login) =>
        $"{login[..^1]},\"ignored\":\"{new string('x', Large - login.Length - ",\"ignored\":\"\"".Length)}\"}}";

    private static int PeakMegabytes(int process)
    {
        var line = File.ReadLines($"/proc/{process}/status").First(line => line.StartsWith("VmHWM:", StringComparison.Ordinal));
        return int.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) / 1024;
    }
}
