using System.Text;
using PiiMasking.AppHost;
using PiiMasking.Tink;

namespace PiiMasking.EndToEnd.Tests;

public sealed class SampleLoginsTests(RunningSystem running)
{
    [Fact]
    public async Task The_duplicates_among_the_samples_are_found_however_they_are_spelled()
    {
        var result = await running.DeliverAsync(SampleLogins.Make(500));

        Assert.True(result.IsComplete, $"{result}");
        Assert.Equal((499, 1), (result.Fate.Stored, result.Fate.Quarantined));
        Assert.Equal(result.Sent.RepeatedAddresses, result.Fate.RepeatedAddresses);
        Assert.Equal(result.Sent.RepeatedDevices, result.Fate.RepeatedDevices);
        Assert.True(result.Sent is { RepeatedAddresses: > 10, RepeatedDevices: > 5 });
    }

    [Fact]
    public async Task Every_token_opens_with_the_keyset_that_is_kept()
    {
        await running.DeliverAsync(SampleLogins.Make(100));
        using var keyset = Keyset.Parse(Encoding.UTF8.GetBytes(running.System.Secrets[Secrets.MaskingKeyset]));
        using var primitive = new DeterministicAead(keyset);

        var rows = await running.System.Database.SomeRowsAsync(10_000, TestContext.Current.CancellationToken);

        Assert.True(rows.Count >= 99);
        Assert.All(rows, row =>
        {
            Assert.True(Opens(primitive, "ip", row.MaskedIp));
            Assert.True(Opens(primitive, "device_id", row.MaskedDeviceId));
            Assert.False(Opens(primitive, "device_id", row.MaskedIp));
        });
    }

    private static bool Opens(DeterministicAead primitive, string field, string token) =>
        primitive.ForField(field).TryDecryptBase64(token, new byte[token.Length], out _);
}
