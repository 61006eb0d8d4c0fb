using System.Text.Json;
using System.Text.Json.Serialization;
using PiiMasking.Logins;

namespace PiiMasking.Contracts;

/// <summary>Writes and reads a personal value as a JSON string. The wire between the two services is the one place where that is allowed.</summary>
public sealed class PiiConverter : JsonConverter<Pii>
{
    /// <inheritdoc />
    public override Pii Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        new(reader.GetString() ?? throw new JsonException("A personal value is null."));

    /// <inheritdoc />
    public override void Write(Utf8JsonWriter writer, Pii value, JsonSerializerOptions options) => writer.WriteStringValue(value.Expose());
}
