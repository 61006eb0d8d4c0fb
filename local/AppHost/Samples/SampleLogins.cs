using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace PiiMasking.AppHost;

/// <summary>Made-up logins: always the same ones for the same count.</summary>
/// <remarks>
/// Of ten logins, two come from an address that others use too and one from a device that others use too; shared values are
/// spelled in every way that means the same. Three of ten have no locale. In the middle stands one message that is no login. Nobody's
/// address is among them: 10.0.0.0/8 is private, 2001:db8::/32 is for documentation.
/// </remarks>
internal static class SampleLogins
{
    private const int PeopleAtOneOffice = 5;

    private static readonly string[] Locales = ["DE", "FR", "ID", "PT", "RU", "JP", "BR", "CZ", "KE", "VN"];
    private static readonly string[] Versions = ["2.3.0", "2.3", "1.0", "0.37.12", "11.4.2", "4.2.60"];

    private static readonly JsonSerializerOptions AsTheyAre = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <param name="count">How many, the one wrong message among them.</param>
    public static IEnumerable<Sample> Make(int count)
    {
        for (var index = 0; index < count; index++)
            yield return index == count / 2 ? new Sample("""{"foo": "oops_wrong_msg_type", "bar": "123"}""") : Login(index);
    }

    private static Sample Login(int index)
    {
        var (decade, digit) = (index / 10, index % 10);
        var turn = decade % PeopleAtOneOffice;
        // Shared values are numbered below zero, so that they are no login's own.
        var address = digit is 3 or 7 ? -1 - decade / PeopleAtOneOffice * 10 - digit : index;
        var device = digit is 5 ? -1 - decade / PeopleAtOneOffice * 10 - digit : index;
        var login = new JsonObject
        {
            ["user_id"] = new Guid(SHA256.HashData(Encoding.UTF8.GetBytes($"sample user {index}")).AsSpan(..16)).ToString(),
            ["app_version"] = Versions[index % Versions.Length],
            ["device_type"] = index % 3 == 0 ? "ios" : "android",
            ["ip"] = digit switch
            {
                3 => Spell4(address, turn),
                7 => Spell6(address, turn),
                _ => Address4(address).ToString(),
            },
            ["locale"] = digit is 1 or 4 or 8 ? null : Locales[index / 3 % Locales.Length],
            ["device_id"] = digit == 5 ? SpellDevice(device, turn) : $"{index / 1_000_000 + 100:000}-{index / 10_000 % 100:00}-{index % 10_000:0000}",
        };
        return new Sample(login.ToJsonString(AsTheyAre), address, device);
    }

    private static IPAddress Address4(int number)
    {
        var office = number < 0;
        var value = office ? -number : number;
        return new IPAddress([10, (byte)((office ? 128 : 0) + (value >> 16)), (byte)(value >> 8), (byte)value]);
    }

    private static string Spell4(int number, int turn)
    {
        var address = Address4(number);
        var bytes = address.GetAddressBytes();
        return turn switch
        {
            0 => address.ToString(),
            1 => $" {address}\t",
            2 => $"::ffff:{address}",
            3 => $"::FFFF:{bytes[0]:X2}{bytes[1]:X2}:{bytes[2]:X2}{bytes[3]:X2}",
            _ => $"0:0:0:0:0:ffff:{address}",
        };
    }

    private static string Spell6(int number, int turn)
    {
        var high = (-number >> 16).ToString("x", CultureInfo.InvariantCulture);
        var low = (-number & 0xffff).ToString("x", CultureInfo.InvariantCulture);
        return turn switch
        {
            0 => $"2001:db8::{high}:{low}",
            1 => $"2001:DB8::{high.ToUpperInvariant()}:{low.ToUpperInvariant()}",
            2 => $"2001:db8:0:0:0:0:{high}:{low}",
            3 => $"2001:0db8:0000:0000:0000:0000:{high.PadLeft(4, '0')}:{low.PadLeft(4, '0')}",
            _ => $" 2001:db8:0::{high}:{low} ",
        };
    }

    private static string SpellDevice(int number, int turn)
    {
        // One letter or two code points: Unicode takes them for the same text (NFC).
        var name = $"tablet-Zoë-{-number:00000}";
        return turn switch
        {
            1 => $"  {name}",
            2 => name.Normalize(NormalizationForm.FormD),
            3 => $"{name}\n",
            _ => name,
        };
    }
}
