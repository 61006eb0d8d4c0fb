using System.Text;
using CsCheck;

namespace PiiMasking.Logins.Tests;

public class CanonicalDeviceIdTests
{
    [Fact]
    public void This_process_can_normalise() => Assert.True(CanonicalDeviceId.CanNormalise);

    [Theory]
    [InlineData(" 593-47-5928\r\n", "593-47-5928")]
    [InlineData("a b", "a b")]
    [InlineData("AbC", "AbC")]
    [InlineData("e\u0301", "\u00e9")]
    [InlineData("\u212b", "\u00c5")]
    [InlineData("\u1112\u1161\u11ab", "\ud55c")]
    [InlineData("\u00a0x", "\u00a0x")]
    public void Spellings_of_one_id_become_one(string text, string canonical)
    {
        Assert.True(CanonicalDeviceId.TryFormat(text, out var found, out _));
        Assert.Equal(canonical, found);
    }

    [Theory]
    [InlineData("", RejectReason.DeviceIdMissing)]
    [InlineData(" \t\r\n", RejectReason.DeviceIdMissing)]
    [InlineData("a\u0000", RejectReason.DeviceIdNotText)]
    [InlineData("a\u000bb", RejectReason.DeviceIdNotText)]
    [InlineData("\u007f", RejectReason.DeviceIdNotText)]
    [InlineData("\u009f", RejectReason.DeviceIdNotText)]
    [InlineData("\ufffe", RejectReason.DeviceIdNotText)]
    public void What_is_no_id_is_refused(string text, RejectReason reason)
    {
        Assert.False(CanonicalDeviceId.TryFormat(text, out var canonical, out var found));
        Assert.Equal(reason, found);
        Assert.Empty(canonical);
    }

    [Theory]
    [InlineData((char)0xD800, 'a')]
    [InlineData('a', (char)0xDC00)]
    [InlineData((char)0xDC00, (char)0xD800)]
    public void An_unpaired_surrogate_is_refused(char first, char second)
    {
        Assert.False(CanonicalDeviceId.TryFormat([first, second], out _, out var reason));
        Assert.Equal(RejectReason.DeviceIdNotText, reason);
    }

    [Fact]
    public void The_limit_is_128_bytes_after_normalisation()
    {
        Assert.True(CanonicalDeviceId.TryFormat(new string('x', 128), out _, out _));
        Assert.False(CanonicalDeviceId.TryFormat(new string('x', 129), out _, out var reason));
        Assert.Equal(RejectReason.DeviceIdTooLong, reason);

        // 64 letters of 2 bytes, sent as 128 characters of 3 bytes a letter.
        Assert.True(CanonicalDeviceId.TryFormat(string.Concat(Enumerable.Repeat("e\u0301", 64)), out var found, out _));
        Assert.Equal(128, Encoding.UTF8.GetByteCount(found));
        // 42 syllables of 3 bytes, sent as 9 bytes each.
        Assert.True(CanonicalDeviceId.TryFormat(string.Concat(Enumerable.Repeat("\u1112\u1161\u11ab", 42)), out _, out _));
        Assert.False(CanonicalDeviceId.TryFormat(string.Concat(Enumerable.Repeat("\ud55c", 43)), out _, out _));
    }

    [Fact]
    public void The_canonical_form_is_its_own_canonical_form() =>
        Gen.Int[1, 0x10FFFF].Where(Rune.IsValid).Array[1, 30].Sample(
            runes =>
            {
                var text = string.Concat(runes.Select(rune => new Rune(rune).ToString()));
                if (!CanonicalDeviceId.TryFormat(text, out var canonical, out _))
                    return;
                Assert.InRange(Encoding.UTF8.GetByteCount(canonical), 1, CanonicalDeviceId.MaxBytes);
                Assert.True(CanonicalDeviceId.TryFormat(canonical, out var again, out _));
                Assert.Equal(canonical, again);
                Assert.True(CanonicalDeviceId.TryFormat(canonical.Normalize(NormalizationForm.FormD), out var decomposed, out _));
                Assert.Equal(canonical, decomposed);
            },
            iter: 20_000);

    [Fact]
    public void Form_c_never_takes_less_than_a_quarter_of_the_characters_of_a_spelling()
    {
        for (var code = 0; code <= 0x10FFFF; code++)
        {
            if (!Rune.IsValid(code) || code == 0xFFFE)
                continue;
            var letter = new Rune(code).ToString();
            Assert.True(letter.Normalize(NormalizationForm.FormD).Length <= 4 * Encoding.UTF8.GetByteCount(letter.Normalize(NormalizationForm.FormC)));
        }
    }
}
