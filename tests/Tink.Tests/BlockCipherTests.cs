using System.Runtime.Intrinsics;
using CsCheck;

namespace PiiMasking.Tink.Tests;

/// <summary>The two ways to AES must be the same AES.</summary>
public sealed class BlockCipherTests
{
    [Theory]
    // FIPS 197, appendix C.
    [InlineData("000102030405060708090a0b0c0d0e0f", "69c4e0d86a7b0430d8cdb78070b4c55a")]
    [InlineData("000102030405060708090a0b0c0d0e0f1011121314151617", "dda97ca4864cdfe06eaf70a0ec0d7191")]
    [InlineData("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "8ea2b7ca516745bfeafc49904b496089")]
    public void Both_ways_agree_with_the_standards_examples(string key, string expected)
    {
        foreach (var cipher in Ciphers(Convert.FromHexString(key)))
        {
            using (cipher)
            {
                var block = Vector128.Create(Convert.FromHexString("00112233445566778899aabbccddeeff"));
                Assert.Equal(Vector128.Create(Convert.FromHexString(expected)), cipher.Encrypt(block));
            }
        }
    }

    [Fact]
    public void Both_ways_agree_on_random_keys_and_blocks() =>
        Gen.Select(Gen.Int[2, 4].SelectMany(eights => Gen.Byte.Array[eights * 8]), Gen.Byte.Array[16]).Sample(
            (key, block) =>
            {
                var results = Ciphers(key).Select(cipher =>
                {
                    using (cipher)
                        return cipher.Encrypt(Vector128.Create(block));
                });
                return results.Distinct().Count() == 1;
            },
            iter: 2000);

    [Fact]
    public void Both_ways_make_the_same_tokens() =>
        Gen.Select(Gen.Byte.Array[64], Gen.Byte.Array[0, 40], Gen.Byte.Array[0, 100]).Sample(
            (key, associatedData, plaintext) =>
            {
                var tokens = Ciphers(key[..32]).Zip(Ciphers(key[32..])).Select(pair =>
                {
                    using var siv = new AesSiv(pair.First, pair.Second);
                    using var cipher = siv.Bind(associatedData);
                    var token = new byte[plaintext.Length + AesSiv.IvLength];
                    cipher.Seal(plaintext, token);
                    var opened = new byte[plaintext.Length];
                    Assert.True(cipher.TryOpen(token, opened));
                    Assert.Equal(plaintext, opened);
                    return Convert.ToHexString(token);
                });
                return tokens.Distinct().Count() == 1;
            },
            iter: 2000);

    [Fact]
    public void The_platforms_way_is_safe_for_many_threads()
    {
        using var siv = new AesSiv(new BlockCipher.PlatformCipher(new byte[32]), new BlockCipher.PlatformCipher(Enumerable.Repeat((byte)1, 32).ToArray()));
        using var cipher = siv.Bind("ip"u8);
        var expected = Enumerable.Range(0, 64).Select(Seal).ToArray();

        Parallel.For(0, 20_000, i => Assert.Equal(expected[i % 64], Seal(i % 64)));

        string Seal(int i)
        {
            var token = new byte[i + AesSiv.IvLength];
            cipher.Seal(Enumerable.Repeat((byte)i, i).ToArray(), token);
            return Convert.ToHexString(token);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(15)]
    [InlineData(31)]
    [InlineData(64)]
    public void A_key_of_another_length_is_refused(int length) =>
        Assert.Throws<ArgumentException>(() => BlockCipher.Create(new byte[length]));

    private static IEnumerable<BlockCipher> Ciphers(byte[] key)
    {
        yield return new BlockCipher.PlatformCipher(key);
        if (BlockCipher.HardwareCipher.IsSupported)
            yield return new BlockCipher.HardwareCipher(key);
    }
}
