using System.Text;
using CsCheck;

namespace PiiMasking.Tink.Tests;

public sealed class FieldCipherTests : IDisposable
{
    private readonly Keyset keyset = Keyset.Generate(KeyKind.DeterministicAead);
    private readonly DeterministicAead aead;
    private readonly FieldCipher ip;
    private readonly uint keyId;

    public FieldCipherTests()
    {
        aead = new DeterministicAead(keyset);
        ip = aead.ForField("ip");
        keyId = keyset.PrimaryKeyId;
    }

    public void Dispose()
    {
        aead.Dispose();
        keyset.Dispose();
    }

    [Fact]
    public void The_worked_example_of_the_readme_comes_out()
    {
        var key = Enumerable.Range(0, 64).Select(i => (byte)i).ToArray();
        using var example = Vectors.Keyset(Vectors.KeysetJson("AesSivKey", [0x12, 64, .. key], id: 0x12345678));
        using var cipher = new DeterministicAead(example);

        Assert.Equal("ARI0VnhudhE0aOOXmecq9XDLINyccY7YOOm99wl6", cipher.ForField("ip").EncryptToBase64(0x12345678, "192.0.2.1"u8));
    }

    [Fact]
    public void Every_length_makes_the_round_trip()
    {
        for (var length = 0; length <= 256; length++)
        {
            Gen.Byte.Array[length].Sample(
                plaintext =>
                {
                    var token = Encrypt(ip, plaintext);
                    var opened = new byte[length];
                    Assert.True(ip.TryDecrypt(token, opened, out var written));
                    Assert.Equal(length, written);
                    Assert.Equal(plaintext, opened);
                    Assert.Equal(token, Encrypt(ip, plaintext));

                    var text = ip.EncryptToBase64(keyId, plaintext);
                    Assert.Equal(Convert.ToBase64String(token), text);
                    var space = new byte[text.Length / 4 * 3];
                    Assert.True(ip.TryDecryptBase64(text, space, out written));
                    Assert.Equal(plaintext, space[..written]);
                },
                iter: 5);
        }
    }

    [Theory]
    [InlineData(1000)]
    [InlineData(100_000)]
    public void A_long_value_makes_the_round_trip(int length)
    {
        var plaintext = new byte[length];
        new Random(length).NextBytes(plaintext);
        var space = new byte[length + 2];

        Assert.True(ip.TryDecryptBase64(ip.EncryptToBase64(keyId, plaintext), space, out var written));

        Assert.Equal(plaintext, space[..written]);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(15)]
    [InlineData(16)]
    [InlineData(17)]
    [InlineData(31)]
    [InlineData(32)]
    [InlineData(33)]
    [InlineData(39)]
    [InlineData(64)]
    public void A_token_with_any_bit_flipped_does_not_open_and_leaves_nothing_behind(int length)
    {
        var token = Encrypt(ip, Enumerable.Repeat((byte)'x', length).ToArray());
        for (var bit = 0; bit < token.Length * 8; bit++)
        {
            token[bit / 8] ^= (byte)(1 << (bit % 8));
            AssertDoesNotOpen(ip, token);
            token[bit / 8] ^= (byte)(1 << (bit % 8));
        }
        Assert.True(ip.TryDecrypt(token, new byte[length], out _));
    }

    [Fact]
    public void A_token_that_is_cut_short_or_added_to_does_not_open()
    {
        var token = Encrypt(ip, "192.0.2.1      "u8.ToArray());
        for (var length = 0; length < token.Length; length++)
        {
            AssertDoesNotOpen(ip, token[..length]);
            AssertDoesNotOpen(ip, token[^length..]);
        }
        AssertDoesNotOpen(ip, [.. token, 0]);
        AssertDoesNotOpen(ip, [0, .. token]);
    }

    [Fact]
    public void A_token_moved_to_another_field_does_not_open()
    {
        var token = Encrypt(ip, "192.0.2.1"u8.ToArray());
        foreach (var other in new[] { "device_id", "", "Ip", "ip ", "acme/ip", "ip\0" })
            AssertDoesNotOpen(aead.ForField(other), token);
    }

    [Fact]
    public void A_token_of_another_keyset_does_not_open_even_under_the_same_key_id()
    {
        using var other = Keyset.Generate(KeyKind.DeterministicAead);
        var text = Encoding.UTF8.GetString(other.ToJson()).Replace($"{other.PrimaryKeyId}", $"{keyId}", StringComparison.Ordinal);
        using var impostor = Vectors.Keyset(text);
        using var impostorAead = new DeterministicAead(impostor);

        AssertDoesNotOpen(ip, Encrypt(impostorAead.ForField("ip"), "192.0.2.1"u8.ToArray()));
    }

    [Fact]
    public void Different_values_give_different_tokens() =>
        Gen.Select(Gen.Byte.Array[0, 40], Gen.Byte.Array[0, 40]).Sample(
            (one, other) => one.AsSpan().SequenceEqual(other) == Encrypt(ip, one).AsSpan().SequenceEqual(Encrypt(ip, other)));

    [Fact]
    public void Tokens_are_made_under_the_key_that_the_caller_names()
    {
        using var rotated = keyset.WithNewKey(makePrimary: true);
        using var both = new DeterministicAead(rotated);
        var field = both.ForField("ip");

        Assert.Equal(ip.EncryptToBase64(keyId, "192.0.2.1"u8), field.EncryptToBase64(keyId, "192.0.2.1"u8));
        var underNew = field.EncryptToBase64(rotated.PrimaryKeyId, "192.0.2.1"u8);
        Assert.True(TokenKeyId.TryReadBase64(underNew, out var named));
        Assert.Equal(rotated.PrimaryKeyId, named);
        Assert.NotEqual(ip.EncryptToBase64(keyId, "192.0.2.1"u8)[..6], underNew[..6]);
        Assert.False(ip.TryDecryptBase64(underNew, new byte[64], out _));
    }

    [Fact]
    public void A_disabled_or_destroyed_key_neither_opens_nor_makes_tokens()
    {
        var old = ip.EncryptToBase64(keyId, "192.0.2.1"u8);
        using var rotated = keyset.WithNewKey(makePrimary: true);
        foreach (var status in new[] { KeyStatus.Disabled, KeyStatus.Destroyed })
        {
            using var without = rotated.WithStatus(keyId, status);
            using var cipher = new DeterministicAead(without);

            Assert.False(cipher.HasKey(keyId));
            Assert.False(cipher.ForField("ip").TryDecryptBase64(old, new byte[64], out _));
            Assert.Throws<ArgumentException>(() => cipher.ForField("ip").EncryptToBase64(keyId, "192.0.2.1"u8));
        }
    }

    [Fact]
    public void One_token_has_one_text()
    {
        // 16 bytes of plaintext: 37 bytes, so that the text ends in padding and has bits to spare.
        var text = ip.EncryptToBase64(keyId, "0123456789abcdef"u8);
        Assert.EndsWith("==", text, StringComparison.Ordinal);
        var space = new byte[64];
        Assert.True(ip.TryDecryptBase64(text, space, out _));

        var strayBits = text[..^3] + (char)(text[^3] + 1) + "==";
        Assert.Equal(Convert.FromBase64String(text), Convert.FromBase64String(strayBits));
        foreach (var other in new[]
        {
            strayBits, text.TrimEnd('='), text + "=", text + "\n", " " + text, text.Insert(8, " "), text.Insert(20, "\r\n"), "", "=", "====",
            text.Replace('A', '\u0391'), text[..^4], "AAAA" + text, text.ToLowerInvariant(), "not base64 at all",
        })
        {
            Assert.False(ip.TryDecryptBase64(other, space, out var length), other);
            Assert.Equal(0, length);
        }
    }

    [Fact]
    public void Url_safe_base64_does_not_open()
    {
        var (text, i) = ("", 0);
        while (!text.Contains('+') || !text.Contains('/'))
            text = ip.EncryptToBase64(keyId, Encoding.UTF8.GetBytes($"value {i++}"));

        Assert.False(ip.TryDecryptBase64(text.Replace('+', '-').Replace('/', '_'), new byte[64], out _));
    }

    [Fact]
    public void Space_of_the_wrong_length_is_the_callers_mistake()
    {
        var token = Encrypt(ip, "192.0.2.1"u8.ToArray());

        Assert.Throws<ArgumentException>(() => ip.Encrypt(keyId, "192.0.2.1"u8, new byte[29]));
        Assert.Throws<ArgumentException>(() => ip.Encrypt(keyId, "192.0.2.1"u8, new byte[31]));
        Assert.Throws<ArgumentException>(() => ip.TryDecrypt(token, new byte[8], out _));
        Assert.Throws<ArgumentException>(() => ip.TryDecrypt(token, token, out _));
        var shared = new byte[64];
        Assert.Throws<ArgumentException>(() => ip.Encrypt(keyId, shared.AsSpan(0, 9), shared.AsSpan(5, 30)));
    }

    [Fact]
    public void Many_threads_share_one_cipher()
    {
        var expected = Enumerable.Range(0, 64).Select(i => ip.EncryptToBase64(keyId, Value(i))).ToArray();

        Parallel.For(0, 20_000, i =>
        {
            Assert.Equal(expected[i % 64], ip.EncryptToBase64(keyId, Value(i % 64)));
            Span<byte> space = stackalloc byte[128];
            Assert.True(ip.TryDecryptBase64(expected[i % 64], space, out var length));
            Assert.True(space[..length].SequenceEqual(Value(i % 64)));
        });

        static byte[] Value(int i) => Encoding.UTF8.GetBytes(new string('v', i) + i);
    }

    [Fact]
    public async Task Disposing_under_way_never_lets_a_wrong_token_out()
    {
        for (var round = 0; round < 50; round++)
        {
            var cipher = new DeterministicAead(keyset);
            var field = cipher.ForField("ip");
            var expected = field.EncryptToBase64(keyId, "192.0.2.1"u8);
            using var started = new SemaphoreSlim(0);
            var worker = Task.Run(() =>
            {
                for (var i = 0; ; i++)
                {
                    if (i == 100)
                        started.Release();
                    try
                    {
                        Assert.Equal(expected, field.EncryptToBase64(keyId, "192.0.2.1"u8));
                        Assert.True(field.TryDecryptBase64(expected, new byte[64], out _));
                    }
                    catch (ObjectDisposedException)
                    {
                        return;
                    }
                }
            });

            await started.WaitAsync(TestContext.Current.CancellationToken);
            cipher.Dispose();
            await worker;
            Assert.Throws<ObjectDisposedException>(() => cipher.ForField("device_id"));
        }
    }

    [Fact]
    public void A_value_allocates_its_token_text_and_nothing_else()
    {
        var plaintext = "192.0.2.1      "u8.ToArray();
        var token = new byte[36];
        var space = new byte[36];
        var text = ip.EncryptToBase64(keyId, plaintext);

        Assert.Equal(0, AllocatedBy(() => ip.Encrypt(keyId, plaintext, token)));
        Assert.Equal(0, AllocatedBy(() => ip.TryDecrypt(token, space, out _)));
        Assert.Equal(0, AllocatedBy(() => ip.TryDecryptBase64(text, space, out _)));
        Assert.Equal(AllocatedBy(() => _ = new string('x', 48)), AllocatedBy(() => ip.EncryptToBase64(keyId, plaintext)));
    }

    [Fact]
    public void The_same_field_is_set_up_once() => Assert.Same(aead.ForField("ip"), aead.ForField("ip"u8));

    [Fact]
    public void A_field_name_that_is_not_text_is_refused() =>
        Assert.Throws<EncoderFallbackException>(() => aead.ForField("\ud800"));

    [Theory]
    [InlineData("", false)]
    [InlineData("01123456", false)]
    [InlineData("0012345678aa", false)]
    [InlineData("0212345678aa", false)]
    [InlineData("0112345678", true)]
    [InlineData("0112345678aa", true)]
    public void The_key_id_is_read_off_a_token(string token, bool expected)
    {
        Assert.Equal(expected, TokenKeyId.TryRead(Convert.FromHexString(token), out var read));
        Assert.Equal(expected ? 0x12345678u : 0, read);
    }

    private static long AllocatedBy(Action action)
    {
        for (var i = 0; i < 50; i++)
            action();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 100; i++)
            action();
        return (GC.GetAllocatedBytesForCurrentThread() - before) / 100;
    }

    private static void AssertDoesNotOpen(FieldCipher cipher, byte[] token)
    {
        var space = Enumerable.Repeat((byte)0xEE, Math.Max(token.Length, 32)).ToArray();
        Assert.False(cipher.TryDecrypt(token, space, out var length));
        Assert.Equal(0, length);
        // Untouched, or wiped: nothing of the value.
        Assert.All(space, left => Assert.True(left is 0xEE or 0));
    }

    private byte[] Encrypt(FieldCipher cipher, byte[] plaintext)
    {
        var token = new byte[FieldCipher.TokenLength(plaintext.Length)];
        cipher.Encrypt(keyId, plaintext, token);
        return token;
    }
}
