using System.Text.Json;

namespace PiiMasking.Logins;

/// <summary>Reads a login from the bytes of a message. Pure; hostile bytes never throw.</summary>
/// <remarks>
/// Six members are read (user_id, device_type, ip, device_id, locale, app_version), by exact name however it is escaped; all others are
/// skipped unread. A member that is present, not null and unusable rejects the login, so that nothing becomes null silently.
/// The rules and the choices behind them are in this folder's README.
/// </remarks>
public static class LoginParser
{
    /// <summary>Deepest nesting of a body, the login itself counted.</summary>
    public const int MaxDepth = 64;

    private const int MaxUserId = 128;
    private const int MaxDeviceType = 32;
    private const int MaxLocale = 32;

    // Longer values are decoded into a pooled array.
    private const int StackCharacters = 256;

    private static readonly JsonReaderOptions Strict =
        new() { MaxDepth = MaxDepth, CommentHandling = JsonCommentHandling.Disallow, AllowTrailingCommas = false };

    [Flags]
    private enum Member
    {
        Other = 0,
        UserId = 1,
        DeviceType = 2,
        Ip = 4,
        DeviceId = 8,
        Locale = 16,
        AppVersion = 32,
    }

    /// <summary>Reads a bare login. <see cref="MessageReader.ParsePayload"/> also looks into envelopes.</summary>
    /// <param name="body">JSON in UTF-8, without a byte order mark.</param>
    public static ParseOutcome Parse(ReadOnlySpan<byte> body) => Parse(body, out _);

    /// <param name="body">JSON in UTF-8.</param>
    /// <param name="isMeantAsLogin">
    /// The body is an object that has a member user_id or device_id. No CloudEvents attribute can be named so (they have no underscore),
    /// and no SNS member is: a login stays a login whatever else it carries.
    /// </param>
    internal static ParseOutcome Parse(ReadOnlySpan<byte> body, out bool isMeantAsLogin)
    {
        var seen = Member.Other;
        var draft = new Draft();
        RejectReason? reason;
        try
        {
            reason = Read(body, ref seen, ref draft);
        }
        catch (JsonException)
        {
            // The message quotes the input; that it is no JSON is all that may be said.
            reason = RejectReason.NotJson;
        }

        isMeantAsLogin = (seen & (Member.UserId | Member.DeviceId)) != 0;
        return reason is { } found
            ? new ParseOutcome.Rejected(found)
            : new ParseOutcome.Accepted(
                new Login(draft.UserId!, draft.DeviceType, new Pii(draft.Ip!), new Pii(draft.DeviceId!), draft.Locale, draft.AppVersion));
    }

    private static RejectReason? Read(ReadOnlySpan<byte> body, ref Member seen, ref Draft draft)
    {
        RejectReason? reason = null;
        var reader = new Utf8JsonReader(body, Strict);
        reader.Read();
        if (reader.TokenType == JsonTokenType.StartObject)
        {
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var member = MemberUnder(in reader);
                reader.Read();
                if (member != Member.Other)
                {
                    // Reading goes on after a fault: bytes that are no JSON further down are the more telling reason.
                    if ((seen & member) != 0)
                        reason ??= RejectReason.DuplicateMember;
                    else if (reader.TokenType != JsonTokenType.Null)
                        reason ??= ReadValue(member, in reader, ref draft);
                    seen |= member;
                }

                reader.Skip();
            }
        }
        else
        {
            reader.Skip();
            reason = RejectReason.NotAnObject;
        }

        reader.Read();   // throws if anything follows
        return reason ?? draft.WhatIsMissing();
    }

    private static Member MemberUnder(in Utf8JsonReader reader) =>
        JsonText.NameIs(in reader, "user_id"u8) ? Member.UserId
        : JsonText.NameIs(in reader, "app_version"u8) ? Member.AppVersion
        : JsonText.NameIs(in reader, "device_type"u8) ? Member.DeviceType
        : JsonText.NameIs(in reader, "ip"u8) ? Member.Ip
        : JsonText.NameIs(in reader, "locale"u8) ? Member.Locale
        : JsonText.NameIs(in reader, "device_id"u8) ? Member.DeviceId
        : Member.Other;

    private static RejectReason? ReadValue(Member member, in Utf8JsonReader reader, ref Draft draft)
    {
        using var text = new JsonText(in reader, stackalloc char[StackCharacters]);
        var value = text.Characters;
        switch (member)
        {
            case Member.UserId:
                return Keep(text, MaxUserId, RejectReason.UserIdNotText, RejectReason.UserIdTooLong, out draft.UserId);
            case Member.DeviceType:
                return Keep(text, MaxDeviceType, RejectReason.DeviceTypeNotText, RejectReason.DeviceTypeTooLong, out draft.DeviceType, isRepeated: true);
            case Member.Locale:
                return Keep(text, MaxLocale, RejectReason.LocaleNotText, RejectReason.LocaleTooLong, out draft.Locale, isRepeated: true);
            case Member.Ip when !text.IsText:
                return RejectReason.IpNotText;
            case Member.Ip:
                return CanonicalAddress.TryFormat(value, out draft.Ip) ? null
                    : value.Trim(AsciiSpace.Characters).IsEmpty ? RejectReason.IpMissing
                    : RejectReason.IpNotAnAddress;
            case Member.DeviceId when !text.IsText:
                return RejectReason.DeviceIdNotText;
            case Member.DeviceId:
                return CanonicalDeviceId.TryFormat(value, out draft.DeviceId, out var reason) ? null : reason;
            case Member.AppVersion when !text.IsText:
                return RejectReason.AppVersionNotText;
            case Member.AppVersion when value.IsEmpty:
                return null;
            default:
                if (!AppVersion.TryParse(value, out var version))
                    return RejectReason.AppVersionNotAVersion;
                draft.AppVersion = version;
                return null;
        }
    }

    /// <summary>Takes a value as it is; empty is as good as absent.</summary>
    private static RejectReason? Keep(
        JsonText text, int maxCodePoints, RejectReason notText, RejectReason tooLong, out string? kept, bool isRepeated = false)
    {
        kept = null;
        if (!text.IsText)
            return notText;
        if (text.Characters.IsEmpty)
            return null;

        // Surrogates come in pairs here, so that every low one is the second half of a code point.
        var codePoints = text.Characters.Length;
        foreach (var character in text.Characters)
            codePoints -= char.IsLowSurrogate(character) ? 1 : 0;
        if (codePoints > maxCodePoints)
            return tooLong;
        kept = isRepeated ? RepeatedText.Of(text.Characters) : new string(text.Characters);
        return null;
    }

    /// <summary>The members read so far.</summary>
    private struct Draft
    {
        public string? UserId;
        public string? DeviceType;
        public string Ip;
        public string DeviceId;
        public string? Locale;
        public int? AppVersion;

        public readonly RejectReason? WhatIsMissing() =>
            UserId is null ? RejectReason.UserIdMissing
            : Ip is null ? RejectReason.IpMissing
            : DeviceId is null ? RejectReason.DeviceIdMissing
            : null;
    }
}
