using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using CsCheck;

namespace PiiMasking.Tink.Tests;

public sealed class KeysetTests
{
    private static readonly byte[] Secret = Enumerable.Range(1, 64).Select(i => (byte)i).ToArray();

    [Theory]
    [InlineData(KeyKind.DeterministicAead, "AesSivKey", "1240", 64)]
    [InlineData(KeyKind.Aead, "AesGcmKey", "1a20", 32)]
    [InlineData(KeyKind.Mac, "HmacKey", "120408031020" + "1a20", 32)]
    public void A_new_keyset_has_the_form_that_tink_reads(KeyKind kind, string type, string protoHeader, int keyLength)
    {
        using var keyset = Keyset.Generate(kind);
        var text = Encoding.UTF8.GetString(keyset.ToJson());

        using var json = JsonDocument.Parse(text);
        Assert.Equal(["primaryKeyId", "key"], json.RootElement.EnumerateObject().Select(member => member.Name));
        Assert.Equal(keyset.PrimaryKeyId, json.RootElement.GetProperty("primaryKeyId").GetUInt32());
        var key = Assert.Single(json.RootElement.GetProperty("key").EnumerateArray());
        Assert.Equal(["keyData", "status", "keyId", "outputPrefixType"], key.EnumerateObject().Select(member => member.Name));
        Assert.Equal(("ENABLED", "TINK"), (key.Text("status"), key.Text("outputPrefixType")));
        var data = key.GetProperty("keyData");
        Assert.Equal(["typeUrl", "value", "keyMaterialType"], data.EnumerateObject().Select(member => member.Name));
        Assert.Equal("type.googleapis.com/google.crypto.tink." + type, data.Text("typeUrl"));
        Assert.Equal("SYMMETRIC", data.Text("keyMaterialType"));
        var value = Convert.FromBase64String(data.Text("value"));
        Assert.Equal(protoHeader, Convert.ToHexStringLower(value[..^keyLength]));

        // Plain base64 in the text itself: a reader need not know JSON's escapes.
        Assert.Contains(data.Text("value"), text, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', text);
    }

    [Fact]
    public void Keys_are_never_printed()
    {
        using var keyset = Keyset.Generate(KeyKind.DeterministicAead);
        var value = JsonNode.Parse(keyset.ToJson())!["key"]![0]!["keyData"]!["value"]!.GetValue<string>();

        var printed = keyset + string.Join(' ', keyset.Keys);

        Assert.Contains($"{keyset.PrimaryKeyId}", printed, StringComparison.Ordinal);
        Assert.DoesNotContain(value[4..12], printed, StringComparison.Ordinal);
    }

    [Fact]
    public void New_key_ids_differ_in_what_the_first_six_characters_of_a_token_show()
    {
        using var start = Keyset.Generate(KeyKind.Aead);
        var keyset = start;
        for (var i = 0; i < 100; i++)
        {
            var next = keyset.WithNewKey(makePrimary: i % 2 == 0);
            keyset.Dispose();
            keyset = next;
        }

        using (keyset)
        {
            Assert.Equal(101, keyset.Keys.Select(key => key.Id >> 4).Distinct().Count());
            Assert.DoesNotContain(keyset.Keys, key => key.Id == 0);
        }
    }

    [Fact]
    public void Rotation_changes_statuses_and_the_primary_and_keeps_the_keys()
    {
        using var first = Keyset.Generate(KeyKind.DeterministicAead);
        using var standby = first.WithNewKey(makePrimary: false);
        var (oldId, newId) = (first.PrimaryKeyId, standby.Keys[1].Id);
        Assert.Equal(oldId, standby.PrimaryKeyId);

        using var rotated = standby.WithPrimary(newId);
        using var disabled = rotated.WithStatus(oldId, KeyStatus.Disabled);
        using var enabled = disabled.WithStatus(oldId, KeyStatus.Enabled);
        using var destroyed = disabled.WithStatus(oldId, KeyStatus.Destroyed);

        Assert.Equal(newId, rotated.PrimaryKeyId);
        Assert.Equal([KeyStatus.Disabled, KeyStatus.Enabled], disabled.Keys.Select(key => key.Status));
        Assert.Equal(rotated.ToJson(), enabled.ToJson());
        Assert.Equal([new(oldId, KeyStatus.Destroyed, false, first.Keys[0].TypeUrl), rotated.Keys[1]], destroyed.Keys);
    }

    [Fact]
    public void Impossible_changes_are_refused_with_a_reason()
    {
        using var keyset = Keyset.Generate(KeyKind.DeterministicAead);
        using var two = keyset.WithNewKey(makePrimary: false);
        var (primary, other) = (two.PrimaryKeyId, two.Keys[1].Id);
        using var disabled = two.WithStatus(other, KeyStatus.Disabled);
        using var destroyed = two.WithStatus(other, KeyStatus.Destroyed);

        Refused("primary", () => two.WithStatus(primary, KeyStatus.Disabled));
        Refused("primary", () => two.WithStatus(primary, KeyStatus.Destroyed));
        Refused("not enabled", () => disabled.WithPrimary(other));
        Refused("not enabled", () => destroyed.WithPrimary(other));
        Refused("destroyed", () => destroyed.WithStatus(other, KeyStatus.Enabled));
        Refused("destroyed", () => destroyed.WithStatus(other, KeyStatus.Disabled));
        Refused("no key", () => two.WithPrimary(primary ^ other));
        Refused("no key", () => two.WithStatus(primary ^ other, KeyStatus.Disabled));

        static void Refused(string reason, Func<Keyset> change) =>
            Assert.Contains(reason, Assert.Throws<KeysetException>(change).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_destroyed_keys_bytes_are_gone_from_the_text()
    {
        using var keyset = Vectors.Keyset(Vectors.KeysetJson("AesSivKey", [0x12, 64, .. Secret], id: 7));
        using var rotated = keyset.WithNewKey(makePrimary: true);
        using var destroyed = rotated.WithStatus(7, KeyStatus.Destroyed);

        var key = JsonNode.Parse(destroyed.ToJson())!["key"]![0]!;

        Assert.Equal("DESTROYED", key["status"]!.GetValue<string>());
        // Zeros of the right length: Tink for Java loads that, and no empty value.
        Assert.Equal([0x12, 64, .. new byte[64]], Convert.FromBase64String(key["keyData"]!["value"]!.GetValue<string>()));
        using var again = Keyset.Parse(destroyed.ToJson());
        Assert.Equal(destroyed.Keys, again.Keys);
    }

    [Fact]
    public void A_destroyed_key_that_still_has_bytes_loses_them_on_the_way_through()
    {
        var text = Vectors.KeysetJson("AesSivKey", [0x12, 64, .. Secret], id: 7);
        var json = JsonNode.Parse(text)!;
        var other = json["key"]![0]!.DeepClone();
        (other["keyId"], other["status"]) = (8, "DESTROYED");
        json["key"]!.AsArray().Add(other);

        using var keyset = Vectors.Keyset(json.ToJsonString());

        Assert.Equal(
            [0x12, 64, .. new byte[64]],
            Convert.FromBase64String(JsonNode.Parse(keyset.ToJson())!["key"]![1]!["keyData"]!["value"]!.GetValue<string>()));
    }

    [Fact]
    public void A_key_of_another_primitive_is_carried_along_and_never_enabled()
    {
        var json = JsonNode.Parse(Vectors.KeysetJson("AesSivKey", [0x12, 64, .. Secret], id: 7))!;
        json["key"]!.AsArray().Add(JsonNode.Parse(Vectors.KeysetJson("AesGcmSivKey", [1, 2, 3], id: 8, status: "DISABLED", prefix: "RAW"))!["key"]![0]!.DeepClone());

        using var keyset = Vectors.Keyset(json.ToJsonString());
        using var changed = keyset.WithNewKey(makePrimary: true);

        Assert.True(JsonNode.DeepEquals(json["key"]![1], JsonNode.Parse(changed.ToJson())!["key"]![1]));
        Assert.Throws<KeysetException>(() => keyset.WithStatus(8, KeyStatus.Enabled));
    }

    [Fact]
    public void A_disabled_key_can_be_enabled_later_so_it_must_be_sound_too()
    {
        var json = JsonNode.Parse(Vectors.KeysetJson("AesSivKey", [0x12, 64, .. Secret], id: 7))!;
        json["key"]!.AsArray().Add(JsonNode.Parse(Vectors.KeysetJson("AesSivKey", [0x12, 64, .. new byte[64]], id: 8, status: "DISABLED"))!["key"]![0]!.DeepClone());

        Assert.Contains("Key 8 is all zeros", Assert.Throws<KeysetException>(() => Vectors.Keyset(json.ToJsonString())).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("AesSivKey", "all zeros")]
    [InlineData("AesGcmKey", "all zeros")]
    [InlineData("HmacKey", "all zeros")]
    public void A_placeholder_of_zeros_is_refused(string type, string reason)
    {
        byte[] proto = type switch
        {
            "AesSivKey" => [0x12, 64, .. new byte[64]],
            "AesGcmKey" => [0x1a, 32, .. new byte[32]],
            _ => [0x12, 4, 0x08, 3, 0x10, 32, 0x1a, 32, .. new byte[32]],
        };

        Assert.Contains(reason, Assert.Throws<KeysetException>(() => Vectors.Keyset(Vectors.KeysetJson(type, proto))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("AesGcmKey", "1a10" + "000102030405060708090a0b0c0d0e0f")]
    [InlineData("AesGcmKey", "1220" + "000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f")]
    [InlineData("HmacKey", "1a20" + "000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f")]
    [InlineData("HmacKey", "120408011020" + "1a20" + "000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f")]
    [InlineData("HmacKey", "120408031009" + "1a20" + "000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f")]
    [InlineData("HmacKey", "120408031021" + "1a20" + "000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f")]
    [InlineData("HmacKey", "120408031020" + "1a0f" + "000102030405060708090a0b0c0d0e")]
    [InlineData("AesCmacKey", "1220" + "000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f")]
    [InlineData("AesSivKey", "ffffffffffffffffffff7f")]
    [InlineData("AesSivKey", "")]
    public void Other_keys_are_refused(string type, string proto) =>
        Assert.Throws<KeysetException>(() => Vectors.Keyset(Vectors.KeysetJson(type, Convert.FromHexString(proto))));

    [Fact]
    public void Every_keyset_text_that_is_cut_short_is_refused()
    {
        var text = Encoding.UTF8.GetBytes(Vectors.KeysetJson("AesSivKey", [0x12, 64, .. Secret]));
        for (var length = 0; length < text.Length; length++)
            Assert.Throws<KeysetException>(() => Keyset.Parse(text.AsSpan(0, length)));
    }

    [Fact]
    public void No_refusal_quotes_the_text()
    {
        const string marker = "QQQMARKERQQQ";
        var text = Vectors.KeysetJson("AesSivKey", [0x12, 64, .. Secret]).ReplaceLineEndings("");
        for (var i = 0; i <= text.Length; i++)
        {
            var broken = text.Insert(i, marker);
            var refusal = Record.Exception(() => Vectors.Keyset(broken).Dispose());
            Assert.True(refusal is KeysetException, $"{i}: {refusal}");
            Assert.DoesNotContain("QQ", refusal.ToString(), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("{\"primaryKeyId\":1,\"key\":[{\"keyData\":{\"typeUrl\":\"\\ud800\"")]
    [InlineData("{\"encryptedKeyset\":\"AAAA\",\"keysetInfo\":{}}")]
    [InlineData("  \n ")]
    [InlineData("null")]
    [InlineData("\"{}\"")]
    public void Other_texts_are_refused(string text) => Assert.Throws<KeysetException>(() => Vectors.Keyset(text));

    [Fact]
    public void Bytes_that_are_not_text_are_refused()
    {
        var text = Encoding.UTF8.GetBytes(Vectors.KeysetJson("AesSivKey", [0x12, 64, .. Secret]));
        for (var i = 0; i < text.Length; i++)
        {
            var broken = text.ToArray();
            broken[i] = 0xff;
            Assert.Throws<KeysetException>(() => Keyset.Parse(broken));
        }
    }

    [Fact]
    public void Any_text_is_a_keyset_or_refused_as_one()
    {
        var valid = Encoding.UTF8.GetBytes(Vectors.KeysetJson("AesSivKey", [0x12, 64, .. Secret]));
        Gen.Select(Gen.Int[0, valid.Length - 1], Gen.Byte, Gen.Int[0, valid.Length - 1], Gen.Byte).Sample(
            (at, value, at2, value2) =>
            {
                var text = valid.ToArray();
                (text[at], text[at2]) = (value, value2);
                return Record.Exception(() => Keyset.Parse(text).Dispose()) is null or KeysetException;
            },
            iter: 20_000);
    }

    [Fact]
    public void Any_protobuf_is_a_key_or_refused_as_one() =>
        Gen.Byte.Array[0, 80].Sample(
            proto => new[] { "AesSivKey", "AesGcmKey", "HmacKey" }.All(
                type => Record.Exception(() => Vectors.Keyset(Vectors.KeysetJson(type, proto)).Dispose()) is null or KeysetException),
            iter: 5_000);

    [Fact]
    public void A_keyset_of_another_kind_is_refused_by_every_primitive()
    {
        using var aead = Keyset.Generate(KeyKind.Aead);
        using var mac = Keyset.Generate(KeyKind.Mac);

        Assert.Contains("swapped", Assert.Throws<KeysetException>(() => new DeterministicAead(aead)).Message, StringComparison.Ordinal);
        Assert.Throws<KeysetException>(() => new Aead(mac));
        Assert.Throws<KeysetException>(() => new Mac(aead));
    }

    [Fact]
    public void A_disposed_keyset_gives_no_keys_and_leaves_primitives_alone()
    {
        var keyset = Keyset.Generate(KeyKind.DeterministicAead);
        using var aead = new DeterministicAead(keyset);
        keyset.Dispose();

        Assert.Throws<ObjectDisposedException>(() => keyset.ToJson());
        Assert.Throws<ObjectDisposedException>(() => new DeterministicAead(keyset));
        Assert.NotEmpty(aead.ForField("ip").EncryptToBase64(keyset.PrimaryKeyId, "x"u8));
    }
}
