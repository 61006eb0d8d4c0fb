using System.Text;
using System.Text.Json.Nodes;

namespace PiiMasking.Logins.Tests;

/// <summary>Message bodies and what the library says to them.</summary>
internal static class Given
{
    public const string Login =
        """{"user_id": "u-1", "app_version": "2.3.0", "device_type": "android", "ip": "199.172.111.135", "locale": "RU", "device_id": "593-47-5928"}""";

    /// <summary>The login above with one member replaced by raw JSON, or left out (null).</summary>
    public static string LoginWith(string member, string? json)
    {
        var members = JsonNode.Parse(Login)!.AsObject().Select(pair => (pair.Key, Json: pair.Value!.ToJsonString())).ToList();
        var at = members.FindIndex(pair => pair.Key == member);
        members.RemoveAt(at);
        if (json is not null)
            members.Insert(at, (member, json));
        return "{" + string.Join(",", members.Select(pair => $"\"{pair.Key}\":{pair.Json}")) + "}";
    }

    public static byte[] Utf8(string text) => Encoding.UTF8.GetBytes(text);

    public static ParseOutcome Parsed(string body) => LoginParser.Parse(Utf8(body));

    public static Login Accepted(ParseOutcome outcome) => Assert.IsType<ParseOutcome.Accepted>(outcome).Login;

    public static string Rejected(ParseOutcome outcome) => Assert.IsType<ParseOutcome.Rejected>(outcome).Reason.ToCode();
}
