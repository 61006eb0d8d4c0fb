using System.Text.Json;
using System.Text.Json.Serialization;
using PiiMasking.Logins;

namespace PiiMasking.Contracts;

/// <summary>Reads and writes a message member by member: the serialiser would box every argument of the constructors.</summary>
/// <remarks>
/// As the serialiser does, members that nobody knows are passed over, and one that is missing is null or empty. The wire between the two
/// services is the one place where personal values may be written in the clear.
/// </remarks>
public sealed class LoginMessageConverter : JsonConverter<LoginMessage>
{
    // Device types and locales in their usual length; longer ones are rare and get a string of their own.
    private const int UsualCharacters = 64;

    /// <inheritdoc />
    public override LoginMessage Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        var id = Guid.Empty;
        DateTimeOffset? sentAt = null;
        Login? login = null;
        Rejection? rejection = null;

        ExpectObject(in reader);
        while (NextMember(ref reader))
        {
            if (reader.ValueTextEquals("messageId"u8))
                id = ValueOf(ref reader).GetGuid();
            else if (reader.ValueTextEquals("sentAt"u8))
                sentAt = IsNull(ref ValueOf(ref reader)) ? null : reader.GetDateTimeOffset();
            else if (reader.ValueTextEquals("login"u8))
                login = IsNull(ref ValueOf(ref reader)) ? null : ReadLogin(ref reader);
            else if (reader.ValueTextEquals("rejection"u8))
                rejection = JsonSerializer.Deserialize(ref ValueOf(ref reader), ContractsJson.Default.Rejection);
            else
                ValueOf(ref reader).Skip();
        }

        return new LoginMessage(id, sentAt, login, rejection);
    }

    /// <inheritdoc />
    public override void Write(Utf8JsonWriter writer, LoginMessage value, JsonSerializerOptions options)
    {
        writer.WriteStartObject();
        writer.WriteString("messageId"u8, value.MessageId);
        if (value.SentAt is { } sentAt)
            writer.WriteString("sentAt"u8, sentAt);
        if (value.Login is { } login)
            Write(writer, login);
        if (value.Rejection is { } rejection)
        {
            writer.WritePropertyName("rejection"u8);
            JsonSerializer.Serialize(writer, rejection, ContractsJson.Default.Rejection);
        }

        writer.WriteEndObject();
    }

    private static Login ReadLogin(ref Utf8JsonReader reader)
    {
        string? userId = null, deviceType = null, locale = null;
        Pii ip = default, deviceId = default;
        int? appVersion = null;

        ExpectObject(in reader);
        while (NextMember(ref reader))
        {
            if (reader.ValueTextEquals("userId"u8))
                userId = RequiredText(ref ValueOf(ref reader));
            else if (reader.ValueTextEquals("deviceType"u8))
                deviceType = RepeatedTextOf(ref ValueOf(ref reader));
            else if (reader.ValueTextEquals("ip"u8))
                ip = new Pii(RequiredText(ref ValueOf(ref reader)));
            else if (reader.ValueTextEquals("deviceId"u8))
                deviceId = new Pii(RequiredText(ref ValueOf(ref reader)));
            else if (reader.ValueTextEquals("locale"u8))
                locale = RepeatedTextOf(ref ValueOf(ref reader));
            else if (reader.ValueTextEquals("appVersion"u8))
                appVersion = IsNull(ref ValueOf(ref reader)) ? null : reader.GetInt32();
            else
                ValueOf(ref reader).Skip();
        }

        return new Login(userId!, deviceType, ip, deviceId, locale, appVersion);
    }

    private static void Write(Utf8JsonWriter writer, Login login)
    {
        writer.WriteStartObject("login"u8);
        writer.WriteString("userId"u8, login.UserId);
        if (login.DeviceType is { } deviceType)
            writer.WriteString("deviceType"u8, deviceType);
        writer.WriteString("ip"u8, login.Ip.Expose());
        writer.WriteString("deviceId"u8, login.DeviceId.Expose());
        if (login.Locale is { } locale)
            writer.WriteString("locale"u8, locale);
        if (login.AppVersion is { } appVersion)
            writer.WriteNumber("appVersion"u8, appVersion);
        writer.WriteEndObject();
    }

    private static void ExpectObject(in Utf8JsonReader reader)
    {
        if (reader.TokenType is not JsonTokenType.StartObject)
            throw new JsonException("An object is expected.");
    }

    private static bool NextMember(ref Utf8JsonReader reader) => reader.Read() && reader.TokenType is JsonTokenType.PropertyName;

    private static ref Utf8JsonReader ValueOf(ref Utf8JsonReader reader)
    {
        reader.Read();
        return ref reader;
    }

    private static bool IsNull(ref Utf8JsonReader reader) => reader.TokenType is JsonTokenType.Null;

    private static string RequiredText(ref Utf8JsonReader reader) => reader.GetString() ?? throw new JsonException("A value that has to be there is null.");

    private static string? RepeatedTextOf(ref Utf8JsonReader reader)
    {
        if (reader.TokenType is not JsonTokenType.String || reader.HasValueSequence || reader.ValueSpan.Length > UsualCharacters)
            return reader.GetString();
        Span<char> text = stackalloc char[UsualCharacters];
        return RepeatedText.Of(text[..reader.CopyString(text)]);
    }
}
