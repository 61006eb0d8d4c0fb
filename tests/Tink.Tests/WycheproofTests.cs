using System.Runtime.Intrinsics;

namespace PiiMasking.Tink.Tests;

public sealed class WycheproofTests
{
    [Fact]
    public void Aes_siv_agrees_with_every_vector()
    {
        var count = 0;
        foreach (var (_, test) in Vectors.Wycheproof("aes_siv_cmac_test.json"))
        {
            using var siv = new AesSiv(test.Hex("key"));
            using var cipher = siv.Bind(test.Hex("aad"));
            var message = test.Hex("msg");
            var ciphertext = test.Hex("ct");

            var plaintext = new byte[Math.Max(0, ciphertext.Length - AesSiv.IvLength)];
            Assert.Equal(test.IsValid(), cipher.TryOpen(ciphertext, plaintext));
            if (test.IsValid())
            {
                Assert.Equal(message, plaintext);
                var made = new byte[message.Length + AesSiv.IvLength];
                cipher.Seal(message, made);
                Assert.Equal(ciphertext, made);
            }
            else
            {
                Assert.All(plaintext, left => Assert.Equal(0, left));
            }
            count++;
        }
        Assert.Equal(442, count);
    }

    [Fact]
    public void Cmac_agrees_with_every_vector()
    {
        var count = 0;
        foreach (var (group, test) in Vectors.Wycheproof("aes_cmac_test.json"))
        {
            var key = test.Hex("key");
            if (key.Length is not (16 or 24 or 32))
                continue;

            // Only the first half of an AES-SIV key is CMAC's.
            using var siv = new AesSiv([.. key, .. key]);
            var mac = new byte[16];
            siv.Cmac(test.Hex("msg")).CopyTo(mac);
            var tag = test.Hex("tag");
            Assert.Equal(group.GetProperty("tagSize").GetInt32() / 8, tag.Length);
            Assert.Equal(test.IsValid(), mac.AsSpan().SequenceEqual(tag));
            count++;
        }
        Assert.InRange(count, 290, 311);
    }

    [Fact]
    public void Aes_gcm_agrees_with_every_vector_of_its_sizes()
    {
        var count = 0;
        foreach (var (group, test) in Vectors.Wycheproof("aes_gcm_test.json"))
        {
            if (group.GetProperty("keySize").GetInt32() != 256 || group.GetProperty("ivSize").GetInt32() != 96)
                continue;

            using var keyset = Vectors.Keyset(Vectors.KeysetJson("AesGcmKey", [0x1a, 32, .. test.Hex("key")]));
            using var aead = new Aead(keyset);
            var ciphertext = Vectors.Token(test.Hex("iv"), test.Hex("ct"), test.Hex("tag"));

            Assert.Equal(test.IsValid(), aead.TryDecrypt(ciphertext, test.Hex("aad"), out var plaintext));
            Assert.Equal(test.IsValid() ? test.Hex("msg") : null, plaintext);
            count++;
        }
        Assert.InRange(count, 60, 105);
    }

    [Fact]
    public void Hmac_agrees_with_every_vector()
    {
        var count = 0;
        foreach (var (group, test) in Vectors.Wycheproof("hmac_sha256_test.json"))
        {
            var key = test.Hex("key");
            var tagSize = (byte)(group.GetProperty("tagSize").GetInt32() / 8);
            byte[] proto = [0x12, 4, 0x08, 3, 0x10, tagSize, 0x1a, (byte)key.Length, .. key];
            using var keyset = Vectors.Keyset(Vectors.KeysetJson("HmacKey", proto));
            using var mac = new Mac(keyset);

            Assert.Equal(test.IsValid(), mac.Verify(Vectors.Token(test.Hex("tag")), test.Hex("msg")));
            if (test.IsValid())
                Assert.Equal(Vectors.Token(test.Hex("tag")), mac.Compute(test.Hex("msg")));
            count++;
        }
        Assert.Equal(174, count);
    }
}
