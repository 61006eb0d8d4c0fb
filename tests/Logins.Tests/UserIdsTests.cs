using CsCheck;

namespace PiiMasking.Logins.Tests;

public sealed class UserIdsTests
{
    [Theory]
    [InlineData("""{"user_id": "u"}""", "u")]
    [InlineData("""{"ip": 5, "user_id": "u", "user_id": "v"}""", "u v")]
    [InlineData("""{"\u0075ser_id": "\u0075"}""", "u")]
    [InlineData("""{"login": {"user_id": "u"}}""", "u")]
    [InlineData("""[{"user_id": "u"}, {"user_id": "v"}]""", "u v")]
    [InlineData("""{"user_id": "u", "ip": """, "u")]
    [InlineData("""{"ip": nonsense, "user_id" : "u\"v"} trailing""", "u\"v")]
    [InlineData("""{"user_id": "u", /* a comment */ "ip": "x",}""", "u")]
    [InlineData("\uFEFF{\"user_id\": \"u\"}", "u")]
    [InlineData("""{"id": "1", "data": "{\"user_id\": \"u\"}"}""", "u")]
    [InlineData("""{"id": "1", "data_base64": "eyJ1c2VyX2lkIjogInUifQ=="}""", "u")]
    [InlineData("""{"Type": "Notification", "Message": "{\"user_id\": \"u\"}"}""", "u")]
    [InlineData("""{"user_id": 5}""", "")]
    [InlineData("""{"user_id": ""}""", "")]
    [InlineData("""{"user_id": "\ud800"}""", "")]
    [InlineData("""{"user_id": "cut off""", "")]
    [InlineData("""{"user_id": null, "other": "u"}""", "")]
    [InlineData("user_id=u", "")]
    [InlineData("", "")]
    public void Whose_a_wrong_message_is_can_be_read_wherever_it_says_so(string payload, string userIds) =>
        Assert.Equal(userIds, string.Join(' ', UserIds.ReadableIn(Given.Utf8(payload))));

    [Fact]
    public void What_is_longer_than_a_user_id_is_none()
    {
        Assert.Single(UserIds.ReadableIn(Given.Utf8($$"""{"user_id": "{{new string('x', 128)}}"}""")));
        Assert.Empty(UserIds.ReadableIn(Given.Utf8($$"""{"user_id": "{{new string('x', 129)}}"}""")));
    }

    [Fact]
    public void Hostile_bytes_never_throw()
    {
        Gen.Byte.Array[0, 200].Sample(bytes => { UserIds.ReadableIn(bytes); }, iter: 20_000);
        var valid = Given.Utf8("""{"user_id": "u", "data": "{\"user_id\": \"v\"}", "data_base64": "e30=", "x": [1, {"user_id": "w"}]}""");
        Gen.Select(Gen.Int[0, valid.Length - 1], Gen.Byte, Gen.Int[0, valid.Length]).Sample(
            (at, value, length) =>
            {
                byte[] broken = [.. valid];
                broken[at] = value;
                UserIds.ReadableIn(broken.AsSpan(0, length));
            },
            iter: 20_000);
    }
}
