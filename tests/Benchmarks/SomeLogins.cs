using System.Globalization;
using System.Text;
using PiiMasking.Contracts;
using PiiMasking.Logins;

namespace PiiMasking.Benchmarks;

/// <summary>Logins as they come: of each ten, nine from addresses and devices that are new, one from an office that many share.</summary>
/// <remarks>Numbered, so that no two runs of a process make the same.</remarks>
internal static class SomeLogins
{
    private static int count;

    /// <summary>A message body as producers send it, some 190 bytes.</summary>
    public static string Body()
    {
        var number = Interlocked.Increment(ref count);
        return string.Create(
            CultureInfo.InvariantCulture,
            $$"""{"user_id": "{{Guid.NewGuid()}}", "app_version": "2.{{number % 8}}.0", "device_type": "android", "ip": "{{Ip(number)}}", "locale": "RU", "device_id": "{{DeviceId(number)}}"}""");
    }

    /// <summary>Bodies without an end.</summary>
    public static async IAsyncEnumerable<string> BodiesAsync(int wanted)
    {
        for (var i = 0; i < wanted; i++)
            yield return Body();
        await Task.CompletedTask;
    }

    /// <summary>The same, as ingestion hands it to masking.</summary>
    public static LoginMessage Message(DateTimeOffset sentAt)
    {
        var number = Interlocked.Increment(ref count);
        return new LoginMessage(
            Guid.NewGuid(),
            sentAt,
            new Login(Guid.NewGuid().ToString(), "android", new Pii(Ip(number)), new Pii(DeviceId(number)), "RU", 2_000_000 + (number % 8 * 1000)),
            null);
    }

    private static string Ip(int number) => number % 10 == 0
        ? $"198.51.100.{number / 10 % 50}"
        : string.Create(CultureInfo.InvariantCulture, $"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}");

    private static string DeviceId(int number) =>
        string.Create(CultureInfo.InvariantCulture, $"{number / 1_000_000 % 1000:000}-{number / 10_000 % 100:00}-{number % 10_000:0000}");
}
