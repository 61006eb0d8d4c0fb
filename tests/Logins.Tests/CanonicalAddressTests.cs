using System.Globalization;
using System.Net;
using System.Text.Json;
using CsCheck;

namespace PiiMasking.Logins.Tests;

public class CanonicalAddressTests
{
    public static TheoryData<int, string, string?> Vectors()
    {
        var vectors = new TheoryData<int, string, string?>();
        using var file = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "vectors", "canonical-ip.json")));
        foreach (var test in file.RootElement.GetProperty("tests").EnumerateArray())
        {
            var valid = test.GetProperty("result").GetString() == "valid";
            vectors.Add(
                test.GetProperty("tcId").GetInt32(), test.GetProperty("input").GetString()!, valid ? test.GetProperty("canonical").GetString() : null);
        }

        return vectors;
    }

    [Theory]
    [MemberData(nameof(Vectors))]
    public void Every_vector_has_its_canonical_form_or_is_refused(int tcId, string input, string? canonical)
    {
        var valid = CanonicalAddress.TryFormat(input, out var text);

        Assert.True((valid ? text : null) == canonical, $"vector {tcId}: {input} gave {(valid ? text : "invalid")}");
    }

    [Fact]
    public void All_vectors_are_there() => Assert.Equal(89, Vectors().Count);

    [Fact]
    public void Every_ipv6_address_is_written_as_the_base_library_writes_it_and_read_back()
    {
        // Few distinct groups, so that runs of zeros are common.
        Gen.Int[0, 4].Select(choice => new ushort[] { 0, 0, 1, 0xffff, 0x0db8 }[choice]).Array[8].Sample(groups =>
        {
            var bytes = groups.SelectMany(group => new[] { (byte)(group >> 8), (byte)group }).ToArray();
            var plain = string.Join(':', groups.Select(group => group.ToString("X4", CultureInfo.InvariantCulture)));
            Assert.True(CanonicalAddress.TryFormat(plain, out var canonical));
            Assert.True(CanonicalAddress.TryFormat(canonical, out var again));
            Assert.Equal(canonical, again);

            var address = new IPAddress(bytes);
            var parsed = IPAddress.Parse(canonical);
            Assert.Equal(address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address, parsed);
            // The base library writes dotted tails, we never do.
            if (!address.IsIPv4MappedToIPv6 && !address.ToString().Contains('.'))
                Assert.Equal(address.ToString(), canonical);
        }, iter: 20_000);
    }

    [Fact]
    public void Every_ipv4_address_is_its_own_canonical_form_also_when_mapped() => Gen.UInt.Sample(bits =>
    {
        var address = new IPAddress([(byte)(bits >> 24), (byte)(bits >> 16), (byte)(bits >> 8), (byte)bits]);

        Assert.True(CanonicalAddress.TryFormat(address.ToString(), out var canonical));
        Assert.Equal(address.ToString(), canonical);
        Assert.True(CanonicalAddress.TryFormat("::FFFF:" + address, out var mapped));
        Assert.Equal(canonical, mapped);
    });

    [Fact]
    public void Any_text_is_an_address_or_refused_and_what_is_accepted_the_base_library_reads_as_the_same() =>
        Gen.String[Gen.Char["0123456789abcfF.:x% []/"], 0, 45].Sample(text =>
        {
            if (!CanonicalAddress.TryFormat(text, out var canonical))
                return;
            var theirs = IPAddress.Parse(text.Trim());
            Assert.Equal(theirs.IsIPv4MappedToIPv6 ? theirs.MapToIPv4() : theirs, IPAddress.Parse(canonical));
        }, iter: 100_000);
}
