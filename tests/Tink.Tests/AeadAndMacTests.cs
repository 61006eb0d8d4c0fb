namespace PiiMasking.Tink.Tests;

public sealed class AeadAndMacTests
{
    [Fact]
    public void Sealed_bytes_open_with_their_associated_data_only()
    {
        using var keyset = Keyset.Generate(KeyKind.Aead);
        using var aead = new Aead(keyset);
        for (var length = 0; length <= 256; length++)
        {
            var plaintext = Enumerable.Repeat((byte)length, length).ToArray();
            var ciphertext = aead.Encrypt(plaintext, "quarantine/1"u8);

            Assert.Equal(length + 33, ciphertext.Length);
            Assert.True(aead.TryDecrypt(ciphertext, "quarantine/1"u8, out var opened));
            Assert.Equal(plaintext, opened);
            Assert.False(aead.TryDecrypt(ciphertext, "quarantine/2"u8, out opened));
            Assert.Null(opened);
        }
    }

    [Fact]
    public void Equal_plaintexts_do_not_show()
    {
        using var keyset = Keyset.Generate(KeyKind.Aead);
        using var aead = new Aead(keyset);

        Assert.Equal(1000, Enumerable.Range(0, 1000).Select(_ => Convert.ToHexString(aead.Encrypt("x"u8, []))).Distinct().Count());
    }

    [Fact]
    public void A_ciphertext_with_any_bit_flipped_or_cut_short_does_not_open()
    {
        using var keyset = Keyset.Generate(KeyKind.Aead);
        using var aead = new Aead(keyset);
        var ciphertext = aead.Encrypt("a payload"u8, "quarantine/1"u8);

        for (var bit = 0; bit < ciphertext.Length * 8; bit++)
        {
            ciphertext[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(aead.TryDecrypt(ciphertext, "quarantine/1"u8, out _));
            ciphertext[bit / 8] ^= (byte)(1 << (bit % 8));
        }
        for (var length = 0; length < ciphertext.Length; length++)
            Assert.False(aead.TryDecrypt(ciphertext.AsSpan(0, length), "quarantine/1"u8, out _));
        Assert.True(aead.TryDecrypt(ciphertext, "quarantine/1"u8, out _));
    }

    [Fact]
    public void Old_ciphertexts_and_macs_open_after_rotation_until_their_key_is_disabled()
    {
        using var keyset = Keyset.Generate(KeyKind.Aead);
        using var rotated = keyset.WithNewKey(makePrimary: true);
        using var disabled = rotated.WithStatus(keyset.PrimaryKeyId, KeyStatus.Disabled);
        using var before = new Aead(keyset);
        using var after = new Aead(rotated);
        using var late = new Aead(disabled);
        var ciphertext = before.Encrypt("x"u8, []);

        Assert.True(after.TryDecrypt(ciphertext, [], out _));
        Assert.False(late.TryDecrypt(ciphertext, [], out _));
        Assert.False(before.TryDecrypt(after.Encrypt("x"u8, []), [], out _));
    }

    [Fact]
    public void A_mac_verifies_for_its_bytes_only()
    {
        using var keyset = Keyset.Generate(KeyKind.Mac);
        using var rotated = keyset.WithNewKey(makePrimary: true);
        using var before = new Mac(keyset);
        using var after = new Mac(rotated);
        var mac = before.Compute("a record"u8);

        Assert.Equal(37, mac.Length);
        Assert.True(before.Verify(mac, "a record"u8));
        Assert.True(after.Verify(mac, "a record"u8));
        Assert.False(before.Verify(after.Compute("a record"u8), "a record"u8));
        Assert.Equal(mac, after.Compute(keyset.PrimaryKeyId, "a record"u8));
        Assert.Equal([keyset.PrimaryKeyId, rotated.PrimaryKeyId], after.KeyIds);
        Assert.Throws<ArgumentException>(() => before.Compute(rotated.PrimaryKeyId, "a record"u8));
        Assert.False(before.Verify(mac, "another"u8));
        Assert.False(before.Verify([.. mac, 0], "a record"u8));
        for (var length = 0; length < mac.Length; length++)
            Assert.False(before.Verify(mac.AsSpan(0, length), "a record"u8));
        for (var bit = 0; bit < mac.Length * 8; bit++)
        {
            mac[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.False(before.Verify(mac, "a record"u8));
            mac[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }

    [Fact]
    public void Disposed_primitives_refuse_to_work()
    {
        using var aeadKeyset = Keyset.Generate(KeyKind.Aead);
        using var macKeyset = Keyset.Generate(KeyKind.Mac);
        var aead = new Aead(aeadKeyset);
        var mac = new Mac(macKeyset);
        var ciphertext = aead.Encrypt("x"u8, []);
        aead.Dispose();
        mac.Dispose();

        Assert.Throws<ObjectDisposedException>(() => aead.Encrypt("x"u8, []));
        Assert.Throws<ObjectDisposedException>(() => aead.TryDecrypt(ciphertext, [], out _));
        Assert.Throws<ObjectDisposedException>(() => mac.Compute("x"u8));
    }
}
