using System.Text.Encodings.Web;
using System.Text.Json;

namespace PiiMasking.MaskingService.People;

/// <summary>How answers look as JSON.</summary>
internal static class PeopleJson
{
    /// <summary>
    /// As the options say, but with <c>+</c> and the like as themselves: tokens have them and are copied. Safe, since the answers are never
    /// taken for HTML (<c>nosniff</c>).
    /// </summary>
    public static JsonSerializerOptions Readable(JsonSerializerOptions options) =>
        new(options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
}
