using System.Text.Json;
using System.Text.Json.Nodes;

namespace PiiMasking.Testing;

/// <summary>Makes what tests send: <c>A.Login(ip: "192.0.2.7")</c>.</summary>
public static class A
{
    private static int count;

    /// <summary>A message body as producers send it: JSON with the six members, in their order. All people are made up.</summary>
    /// <remarks>What is not given is valid, and differs from call to call: two calls make two different users, addresses and devices.</remarks>
    /// <param name="userId">A fresh UUID if null.</param>
    /// <param name="appVersion">Written as it is.</param>
    /// <param name="deviceType">Written as it is.</param>
    /// <param name="ip">A fresh address of 198.18.0.0/15 (RFC 2544) if null.</param>
    /// <param name="locale">Null is sent as JSON null, as producers do.</param>
    /// <param name="deviceId">A fresh one of the form ddd-dd-dddd if null.</param>
    /// <param name="with">Changes the object before it is written: other members, wrong types, removals.</param>
    public static string Login(
        string? userId = null,
        string appVersion = "2.3.0",
        string deviceType = "android",
        string? ip = null,
        string? locale = "RU",
        string? deviceId = null,
        Action<JsonObject>? with = null)
    {
        var number = Interlocked.Increment(ref count);
        var login = new JsonObject
        {
            ["user_id"] = userId ?? Guid.NewGuid().ToString(),
            ["app_version"] = appVersion,
            ["device_type"] = deviceType,
            ["ip"] = ip ?? $"198.{18 + (number >> 16 & 1)}.{number >> 8 & 255}.{number & 255}",
            ["locale"] = locale,
            ["device_id"] = deviceId ?? $"{number / 1_000_000 % 1000:000}-{number / 10_000 % 100:00}-{number % 10_000:0000}",
        };
        with?.Invoke(login);
        return login.ToJsonString(JsonSerializerOptions.Web);
    }

    /// <summary>The one kind of wrong message that is known from the field: valid JSON, none of the members.</summary>
    public static string WrongMessage() => """{"foo": "oops_wrong_msg_type", "bar": "123"}""";
}
