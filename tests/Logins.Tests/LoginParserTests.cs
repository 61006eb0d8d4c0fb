using System.Text;
using System.Text.Json;
using CsCheck;

namespace PiiMasking.Logins.Tests;

public class LoginParserTests
{
    [Fact]
    public void A_login_is_read_and_brought_into_canonical_form()
    {
        var login = Given.Accepted(Given.Parsed(
            """{"user_id":"u","app_version":"6.02","device_type":"ios","ip":" ::FFFF:1.2.3.4\n","locale":null,"device_id":"\te\u0301 "}"""));

        Assert.Equal("u", login.UserId);
        Assert.Equal("ios", login.DeviceType);
        Assert.Equal("1.2.3.4", login.Ip.Expose());
        Assert.Equal("\u00e9", login.DeviceId.Expose());
        Assert.Null(login.Locale);
        Assert.Equal(6_002_000, login.AppVersion);
    }

    [Fact]
    public void The_hundred_messages_of_the_exercise_are_99_logins_and_one_wrong_message()
    {
        var lines = File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "vectors", "fetch-logins.jsonl"));
        Assert.Equal(100, lines.Length);

        var locales = 0;
        for (var line = 0; line < lines.Length; line++)
        {
            if (line == 12)
            {
                Assert.Equal("user_id_missing", Given.Rejected(Given.Parsed(lines[line])));
                continue;
            }

            var sent = JsonDocument.Parse(lines[line]).RootElement;
            var login = Given.Accepted(Given.Parsed(lines[line]));
            Assert.Equal(sent.GetProperty("user_id").GetString(), login.UserId);
            Assert.Equal(sent.GetProperty("ip").GetString(), login.Ip.Expose());
            Assert.Equal(sent.GetProperty("device_id").GetString(), login.DeviceId.Expose());
            Assert.Equal(sent.GetProperty("locale").GetString(), login.Locale);
            Assert.NotNull(login.AppVersion);
            locales += login.Locale is null ? 0 : 1;
        }

        Assert.Equal(70, locales);
    }

    [Theory]
    [InlineData("user_id", null, "user_id_missing")]
    [InlineData("user_id", "null", "user_id_missing")]
    [InlineData("user_id", "\"\"", "user_id_missing")]
    [InlineData("user_id", "7", "user_id_not_text")]
    [InlineData("user_id", "{\"a\":[1]}", "user_id_not_text")]
    [InlineData("user_id", "\"a\\u0000b\"", "user_id_not_text")]
    [InlineData("user_id", "\"\\ud800\"", "user_id_not_text")]
    [InlineData("user_id", "\"\\udc00\\ud800\"", "user_id_not_text")]
    [InlineData("device_type", "true", "device_type_not_text")]
    [InlineData("device_type", "[]", "device_type_not_text")]
    [InlineData("device_type", "\"123456789012345678901234567890123\"", "device_type_too_long")]
    [InlineData("ip", null, "ip_missing")]
    [InlineData("ip", "null", "ip_missing")]
    [InlineData("ip", "\"\"", "ip_missing")]
    [InlineData("ip", "\" \\t\"", "ip_missing")]
    [InlineData("ip", "16909060", "ip_not_text")]
    [InlineData("ip", "\"1.2.3.4\\u0000\"", "ip_not_text")]
    [InlineData("ip", "\"1.2.3\"", "ip_not_an_address")]
    [InlineData("ip", "\"canary-7f3a\"", "ip_not_an_address")]
    [InlineData("device_id", null, "device_id_missing")]
    [InlineData("device_id", "null", "device_id_missing")]
    [InlineData("device_id", "\" \"", "device_id_missing")]
    [InlineData("device_id", "5", "device_id_not_text")]
    [InlineData("device_id", "\"a\\u0007b\"", "device_id_not_text")]
    [InlineData("device_id", "\"a\\u0085b\"", "device_id_not_text")]
    [InlineData("device_id", "\"\\ufffe\"", "device_id_not_text")]
    [InlineData("device_id", "\"a\\udfffb\"", "device_id_not_text")]
    [InlineData("locale", "false", "locale_not_text")]
    [InlineData("locale", "\"123456789012345678901234567890123\"", "locale_too_long")]
    [InlineData("app_version", "2.3", "app_version_not_text")]
    [InlineData("app_version", "1e400", "app_version_not_text")]
    [InlineData("app_version", "\"2.3.0.1\"", "app_version_not_a_version")]
    [InlineData("app_version", "\"v2\"", "app_version_not_a_version")]
    [InlineData("app_version", "\" 2\"", "app_version_not_a_version")]
    public void A_member_that_is_unusable_rejects_the_login(string member, string? json, string reason) =>
        Assert.Equal(reason, Given.Rejected(Given.Parsed(Given.LoginWith(member, json))));

    [Theory]
    [InlineData("device_type")]
    [InlineData("locale")]
    [InlineData("app_version")]
    public void An_optional_member_may_be_absent_or_null_or_empty(string member)
    {
        foreach (var json in new[] { null, "null", "\"\"" })
        {
            var login = Given.Accepted(Given.Parsed(Given.LoginWith(member, json)));
            Assert.Null(member switch { "locale" => login.Locale, "device_type" => login.DeviceType, _ => (object?)login.AppVersion });
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("\uFEFF" + Given.Login)]
    [InlineData("login")]
    [InlineData("{")]
    [InlineData("{\"user_id\":\"u\"")]
    [InlineData("{'user_id':'u'}")]
    [InlineData("{user_id:\"u\"}")]
    [InlineData(Given.Login + "x")]
    [InlineData(Given.Login + Given.Login)]
    [InlineData(Given.Login + ",")]
    [InlineData("{\"a\":1,}")]
    [InlineData("{\"a\":1/* no */}")]
    [InlineData("{\"a\":1}// no")]
    [InlineData("{\"a\":01}")]
    [InlineData("{\"a\":+1}")]
    [InlineData("{\"a\":NaN}")]
    [InlineData("{\"a\":\"\\x41\"}")]
    [InlineData("{\"a\":\"\\u12g4\"}")]
    [InlineData("{\"a\":\"line\nbreak\"}")]
    [InlineData("[1,2")]
    [InlineData("[] []")]
    public void What_is_not_strict_json_is_rejected(string body) => Assert.Equal("not_json", Given.Rejected(Given.Parsed(body)));

    [Theory]
    [InlineData("[]")]
    [InlineData("[" + Given.Login + "]")]
    [InlineData("\"text\"")]
    [InlineData("42")]
    [InlineData("null")]
    [InlineData("true")]
    public void What_is_not_an_object_is_rejected(string body) => Assert.Equal("not_an_object", Given.Rejected(Given.Parsed(body)));

    [Theory]
    [InlineData("\"ip\":\"1.2.3.4\"")]
    [InlineData("\"ip\":null")]
    [InlineData("\"\\u0069p\":\"1.2.3.4\"")]
    [InlineData("\"\\u0069\\u0070\":null")]
    [InlineData("\"device\\u005Fid\":\"x\"")]
    [InlineData("\"device\\u005fid\":\"x\"")]
    public void A_member_given_twice_is_rejected_however_its_name_is_escaped(string second) =>
        Assert.Equal("duplicate_member", Given.Rejected(Given.Parsed(Given.Login[..^1] + "," + second + "}")));

    [Fact]
    public void An_escaped_name_is_the_name()
    {
        var body = Given.Login.Replace("\"ip\"", "\"\\u0069\\u0070\"").Replace("\"user_id\"", "\"us\\u0065r_id\"");

        Assert.Equal("199.172.111.135", Given.Accepted(Given.Parsed(body)).Ip.Expose());
    }

    [Theory]
    [InlineData("\"x\":1,\"x\":2")]
    [InlineData("\"IP\":5,\"User_Id\":6,\"ip \":7,\"\":8")]
    [InlineData("\"\\ud800\":\"\\udfff\"")]
    [InlineData("\"ip\\u0000\":1")]
    [InlineData("\"\\\"ip\":1,\"\\/\":2,\"i\\n\":3")]
    [InlineData("\"n\":123456789012345678901234567890e99999")]
    [InlineData("\"data\":{\"ip\":5},\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"t\"")]
    public void Other_members_are_skipped_unread(string others) =>
        Given.Accepted(Given.Parsed(Given.Login[..^1] + "," + others + "}"));

    [Fact]
    public void Invalid_utf8_matters_only_where_it_is_read()
    {
        byte[] With(string member) =>
            [.. Given.Utf8($"{{\"{member}\":\""), 0xC3, 0x28, .. Given.Utf8("\"," + Given.LoginWith(member == "x" ? "locale" : member, null)[1..])];

        Given.Accepted(LoginParser.Parse(With("x")));
        Assert.Equal("user_id_not_text", Given.Rejected(LoginParser.Parse(With("user_id"))));
        Assert.Equal("device_id_not_text", Given.Rejected(LoginParser.Parse(With("device_id"))));
        Assert.Equal("ip_not_text", Given.Rejected(LoginParser.Parse(With("ip"))));
    }

    [Theory]
    [InlineData(63, true)]
    [InlineData(64, false)]
    [InlineData(100_000, false)]
    public void Other_members_may_nest_to_a_depth_of_64_with_the_login_itself(int arrays, bool accepted)
    {
        var body = Given.Login[..^1] + ",\"deep\":" + new string('[', arrays) + new string(']', arrays) + "}";

        Assert.Equal(accepted, Given.Parsed(body) is ParseOutcome.Accepted);
    }

    [Fact]
    public void Lengths_are_counted_in_code_points()
    {
        var emoji = string.Concat(Enumerable.Repeat("\U0001F600", 128));
        var escaped = string.Concat(Enumerable.Repeat("\\ud83d\\ude00", 128));

        Assert.Equal(emoji, Given.Accepted(Given.Parsed(Given.LoginWith("user_id", $"\"{emoji}\""))).UserId);
        Assert.Equal(emoji, Given.Accepted(Given.Parsed(Given.LoginWith("user_id", $"\"{escaped}\""))).UserId);
        Assert.Equal("user_id_too_long", Given.Rejected(Given.Parsed(Given.LoginWith("user_id", $"\"{emoji}x\""))));
        Given.Accepted(Given.Parsed(Given.LoginWith("locale", $"\"{emoji[..64]}\"")));
        Assert.Equal("locale_too_long", Given.Rejected(Given.Parsed(Given.LoginWith("locale", $"\"{emoji[..66]}\""))));
    }

    [Fact]
    public void A_megabyte_of_an_ignored_member_or_of_white_space_changes_nothing()
    {
        var megabyte = new string(' ', 1 << 20);

        Given.Accepted(Given.Parsed(Given.Login[..^1] + $",\"note\":\"{megabyte}\"" + "}"));
        Given.Accepted(Given.Parsed(megabyte + Given.Login + megabyte));
        Assert.Equal("1.1.1.1", Given.Accepted(Given.Parsed(Given.LoginWith("ip", $"\"{megabyte}1.1.1.1\""))).Ip.Expose());
    }

    [Theory]
    [InlineData("user_id", "user_id_too_long")]
    [InlineData("ip", "ip_not_an_address")]
    [InlineData("device_id", "device_id_too_long")]
    [InlineData("app_version", "app_version_not_a_version")]
    public void A_megabyte_in_a_member_that_is_read_is_rejected_at_once(string member, string reason)
    {
        // Combining marks of falling class: the worst case of a normaliser.
        var marks = string.Concat(Enumerable.Repeat("\u0301\u0316", 1 << 18));

        Assert.Equal(reason, Given.Rejected(Given.Parsed(Given.LoginWith(member, $"\"a{marks}\""))));
    }

    [Fact]
    public void Broken_json_is_the_reason_whatever_else_is_wrong() =>
        Assert.Equal("not_json", Given.Rejected(Given.Parsed("{\"ip\":5,\"user_id\":\"")));

    [Fact]
    public void Neither_a_login_nor_its_outcome_prints_a_value()
    {
        var outcome = Given.Parsed(Given.Login);

        Assert.DoesNotContain("199.172", $"{outcome} {Given.Accepted(outcome)}");
        Assert.DoesNotContain("u-1", $"{outcome} {Given.Accepted(outcome)}");
    }

    [Fact]
    public void Any_bytes_are_a_login_or_a_rejection() =>
        Gen.Byte.Array[0, 200].Sample(body => { LoginParser.Parse(body); MessageReader.ParsePayload(body); }, iter: 20_000);

    [Fact]
    public void Any_damage_to_a_login_is_a_login_or_a_rejection()
    {
        var body = Given.Utf8(Given.LoginWith("user_id", "\"\\ud83d\\ude00 \u00e9\""));
        Gen.Select(Gen.Int[0, body.Length - 1], Gen.Byte, Gen.Int[0, 3]).Array[1, 4].Sample(
            edits =>
            {
                var damaged = body.ToList();
                foreach (var (at, value, kind) in edits)
                {
                    var here = Math.Min(at, damaged.Count - 1);
                    if (kind == 0) damaged.RemoveAt(here);
                    else if (kind == 1) damaged.Insert(here, value);
                    else damaged[here] = value;
                }

                LoginParser.Parse(damaged.ToArray());
            },
            iter: 50_000);
    }

    [Fact]
    public void What_is_accepted_is_accepted_again_in_canonical_form_unchanged()
    {
        var text = Gen.OneOf(Gen.String[Gen.Char['\u0020', '\u3000'], 1, 40], Gen.String.AlphaNumeric).Where(s => s.Length > 0);
        Gen.Select(text, text, Gen.UInt).Sample(
            (user, device, ip) =>
            {
                var body = JsonSerializer.SerializeToUtf8Bytes(
                    new { user_id = user, device_id = device, ip = $"{ip >> 24}.{(byte)(ip >> 16)}.{(byte)(ip >> 8)}.{(byte)ip}" });
                if (LoginParser.Parse(body) is not ParseOutcome.Accepted { Login: var login })
                    return;
                var again = Given.Accepted(LoginParser.Parse(JsonSerializer.SerializeToUtf8Bytes(
                    new { user_id = login.UserId, device_id = login.DeviceId.Expose(), ip = login.Ip.Expose() })));
                Assert.Equal(
                    (login.UserId, login.DeviceId.Expose(), login.Ip.Expose()), (again.UserId, again.DeviceId.Expose(), again.Ip.Expose()));
            },
            iter: 10_000);
    }

    [Fact]
    public void Reading_a_login_allocates_little()
    {
        var body = Encoding.UTF8.GetBytes(Given.Login);
        for (var warmUp = 0; warmUp < 100; warmUp++)
            LoginParser.Parse(body);

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var round = 0; round < 1_000; round++)
            LoginParser.Parse(body);
        var perLogin = (GC.GetAllocatedBytesForCurrentThread() - before) / 1_000;

        Assert.InRange(perLogin, 1, 600);
    }
}
