using System.Text.Json;
using PiiMasking.Testing;

namespace PiiMasking.AppHost.Tests;

public sealed class SampleTests : IDisposable
{
    private readonly ScratchFolder scratch = new();

    public void Dispose() => scratch.Dispose();

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 1)]
    [InlineData(100, 1)]
    [InlineData(1000, 1)]
    public void There_are_as_many_as_asked_for_and_one_of_them_is_wrong(int count, int wrong)
    {
        var samples = SampleLogins.Make(count).ToList();

        Assert.Equal(count, samples.Count);
        Assert.Equal(wrong, samples.Count(sample => sample.Address is null));
    }

    [Fact]
    public void They_are_the_same_in_every_run() => Assert.Equal(SampleLogins.Make(200), SampleLogins.Make(200));

    [Fact]
    public void A_hundred_of_them_have_repeated_addresses_and_devices_in_different_spellings_and_missing_locales()
    {
        var samples = SampleLogins.Make(100).ToList();
        var tally = new SampleTally();
        samples.ForEach(tally.Add);

        Assert.Equal((4, 2), (tally.RepeatedAddresses, tally.RepeatedDevices));
        var largest = samples.Where(sample => sample.Address is not null).GroupBy(sample => sample.Address).MaxBy(group => group.Count())!;
        Assert.Equal(5, largest.Select(sample => Member(sample, "ip").GetString()).Distinct().Count());
        Assert.Contains(samples, sample => sample.Address is not null && Member(sample, "locale").ValueKind == JsonValueKind.Null);
    }

    [Fact]
    public void Unrelated_samples_share_nothing_however_many_there_are()
    {
        var logins = SampleLogins.Make(20_000).Where(sample => sample.Address is >= 0 && sample.Device is >= 0).ToList();

        Assert.Equal(logins.Count, logins.Select(sample => Member(sample, "ip").GetString()).Distinct().Count());
        Assert.Equal(logins.Count, logins.Select(sample => Member(sample, "device_id").GetString()).Distinct().Count());
    }

    [Fact]
    public async Task A_file_is_read_line_by_line_as_it_is_and_empty_lines_are_no_messages()
    {
        await File.WriteAllTextAsync(scratch["bodies"], "{\"a\": 1}\r\n\n not JSON at all \nlast");

        var lines = await SampleFile.ReadAsync(new FileInfo(scratch["bodies"]), default).Select(sample => sample.Body).ToListAsync();

        Assert.Equal(["{\"a\": 1}", " not JSON at all ", "last"], lines);
    }

    [Fact]
    public async Task A_file_that_is_no_text_is_refused_by_name()
    {
        await File.WriteAllBytesAsync(scratch["bytes"], [0xff, 0xfe, 0x80]);

        var error = await Assert.ThrowsAsync<Backing.BackingException>(
            async () => await SampleFile.ReadAsync(new FileInfo(scratch["bytes"]), default).ToListAsync());

        Assert.Contains(scratch["bytes"], error.Message, StringComparison.Ordinal);
    }

    private static JsonElement Member(Sample sample, string name)
    {
        using var body = JsonDocument.Parse(sample.Body);
        return body.RootElement.GetProperty(name).Clone();
    }
}
