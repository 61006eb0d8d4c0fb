using System.Text.Json;
using System.Text.Json.Nodes;

namespace PiiMasking.Tink.Tests;

public sealed class TinkVectorTests
{
    /// <summary>Groups whose keyset is refused here on purpose; Tink reads them.</summary>
    public static readonly Dictionary<string, string> Refused = new()
    {
        ["prefix-raw"] = "only the TINK prefix names its key, which rotation needs",
        ["prefix-crunchy"] = "only TINK is written, so only TINK is read",
        ["prefix-legacy"] = "only TINK is written, so only TINK is read",
        ["duplicate-ids"] = "an id must name one key",
        ["raw-looks-like-tink"] = "no RAW keys",
        ["serialisation-unknown-field"] = "an unknown field may mean anything",
        ["serialisation-key-value-twice"] = "two keys in one are a mistake",
        ["equal-halves"] = "key generation never makes them",
        ["aes-128"] = "AES-256 only",
    };

    public static TheoryData<string> DeterministicAeadGroups => [.. Groups("tink-daead.json").Select(group => group.Text("name"))];

    public static TheoryData<string> AeadGroups => [.. Groups("tink-aead.json").Select(group => group.Text("name"))];

    public static TheoryData<string> KeysetTexts =>
        [.. Vectors.Load("tink-keyset-parsing.json").GetProperty("tests").EnumerateArray().Select(test => test.Text("name"))];

    [Theory]
    [MemberData(nameof(DeterministicAeadGroups))]
    public void Tokens_are_those_of_tink(string name)
    {
        var group = Groups("tink-daead.json").Single(group => group.Text("name") == name);
        if (IsRefused(group))
            return;

        using var keyset = Vectors.Keyset(WithTinkPrefixesOnly(group.Text("keyset"), out var otherPrefixes));
        using var aead = new DeterministicAead(keyset);
        Assert.Equal(group.GetProperty("primaryKeyId").GetUInt32(), aead.PrimaryKeyId);
        foreach (var test in group.GetProperty("tests").EnumerateArray())
        {
            if (test.TryGetProperty("keyId", out var keyId) && otherPrefixes.Contains(keyId.GetUInt32()))
                continue;

            var field = aead.ForField(test.Hex("aad"));
            var token = test.Hex("ct");
            var space = new byte[Math.Max(0, token.Length - 21)];
            var opened = field.TryDecrypt(token, space, out var length);

            Assert.True(test.IsValid() == opened, $"{name} {test.Id()}: {test.Text("comment")}");
            if (opened)
                Assert.Equal(test.Hex("pt"), space[..length]);
            if (test.Text("op") == "encrypt")
            {
                var plaintext = test.Hex("pt");
                var made = new byte[FieldCipher.TokenLength(plaintext.Length)];
                field.Encrypt(keyset.PrimaryKeyId, plaintext, made);
                Assert.Equal(token, made);
                Assert.Equal(Convert.ToBase64String(token), field.EncryptToBase64(keyset.PrimaryKeyId, plaintext));
            }
        }
    }

    [Theory]
    [MemberData(nameof(AeadGroups))]
    public void Ciphertexts_of_tink_open(string name)
    {
        var group = Groups("tink-aead.json").Single(group => group.Text("name") == name);
        if (IsRefused(group))
            return;

        using var keyset = Vectors.Keyset(WithTinkPrefixesOnly(group.Text("keyset"), out var otherPrefixes));
        using var aead = new Aead(keyset);
        foreach (var test in group.GetProperty("tests").EnumerateArray())
        {
            if (test.TryGetProperty("keyId", out var keyId) && otherPrefixes.Contains(keyId.GetUInt32()))
                continue;

            var opened = aead.TryDecrypt(test.Hex("ct"), test.Hex("aad"), out var plaintext);
            Assert.True(test.IsValid() == opened, $"{name} {test.Id()}: {test.Text("comment")}");
            if (opened)
                Assert.Equal(test.Hex("pt"), plaintext);
        }
    }

    [Theory]
    [MemberData(nameof(KeysetTexts))]
    public void Keyset_texts_are_read_and_refused_as_recommended(string name)
    {
        var test = Vectors.Load("tink-keyset-parsing.json").GetProperty("tests").EnumerateArray().Single(test => test.Text("name") == name);
        var text = test.Text("keyset");

        // Where a reader may choose, this one refuses: what Tink writes by itself never has it. One exception, a destroyed key whose
        // bytes are gone, which is what the word means.
        var accepts = test.Text("recommended") == "accept" || name == "destroyed with empty keyData value";
        if (accepts)
        {
            using var keyset = Vectors.Keyset(text);
            using var again = Keyset.Parse(keyset.ToJson());
            Assert.Equal(keyset.Keys, again.Keys);
        }
        else
        {
            var refusal = Assert.Throws<KeysetException>(() => Vectors.Keyset(text));
            Assert.InRange(refusal.Message.Length, 20, 250);
            Assert.Null(refusal.InnerException);
        }
    }

    private static JsonElement.ArrayEnumerator Groups(string file) => Vectors.Load(file).GetProperty("groups").EnumerateArray();

    private static bool IsRefused(JsonElement group)
    {
        if (!Refused.ContainsKey(group.Text("name")))
            return false;
        Assert.Throws<KeysetException>(() => Vectors.Keyset(group.Text("keyset")));
        return true;
    }

    /// <summary>The rotation groups hold RAW and CRUNCHY keys among the others; without them they are an ordinary keyset.</summary>
    private static string WithTinkPrefixesOnly(string keyset, out HashSet<uint> removed)
    {
        var json = JsonNode.Parse(keyset)!;
        var keys = json["key"]!.AsArray();
        var others = keys.Where(key => key!["outputPrefixType"]!.GetValue<string>() != "TINK").ToList();
        removed = [.. others.Select(key => key!["keyId"]!.GetValue<uint>())];
        if (others.Count == 0)
            return keyset;
        others.ForEach(key => keys.Remove(key));
        return json.ToJsonString();
    }
}
