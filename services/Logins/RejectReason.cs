namespace PiiMasking.Logins;

/// <summary>
/// Why a message is no login. The codes (<see cref="RejectReasons.ToCode"/>) are stored in the quarantine and counted in metrics, so
/// a code that has been released keeps its meaning; none of them ever carries text out of a message.
/// </summary>
public enum RejectReason
{
    /// <summary><c>not_json</c>: not strict JSON (RFC 8259): byte order mark, comment, trailing comma or text, deeper than 64, empty.</summary>
    NotJson,

    /// <summary><c>not_an_object</c>: JSON, but its top level is an array, a string, a number, a literal.</summary>
    NotAnObject,

    /// <summary><c>duplicate_member</c>: a member that we read occurs twice, so readers would disagree on its value.</summary>
    DuplicateMember,

    /// <summary><c>user_id_missing</c>: absent, null or empty.</summary>
    UserIdMissing,

    /// <summary><c>user_id_not_text</c>: not a JSON string, or one with U+0000, an unpaired surrogate or invalid UTF-8.</summary>
    UserIdNotText,

    /// <summary><c>user_id_too_long</c>: more than 128 code points.</summary>
    UserIdTooLong,

    /// <summary><c>device_type_not_text</c>: as <see cref="UserIdNotText"/>.</summary>
    DeviceTypeNotText,

    /// <summary><c>device_type_too_long</c>: more than 32 code points.</summary>
    DeviceTypeTooLong,

    /// <summary><c>ip_missing</c>: absent, null or blank.</summary>
    IpMissing,

    /// <summary><c>ip_not_text</c>: as <see cref="UserIdNotText"/>.</summary>
    IpNotText,

    /// <summary><c>ip_not_an_address</c>: text that <see cref="CanonicalAddress"/> does not take for an IPv4 or IPv6 address.</summary>
    IpNotAnAddress,

    /// <summary><c>device_id_missing</c>: absent, null or blank.</summary>
    DeviceIdMissing,

    /// <summary><c>device_id_not_text</c>: as <see cref="UserIdNotText"/>, or with any other control character.</summary>
    DeviceIdNotText,

    /// <summary><c>device_id_too_long</c>: more than 128 bytes of UTF-8 once normalised.</summary>
    DeviceIdTooLong,

    /// <summary><c>locale_not_text</c>: as <see cref="UserIdNotText"/>.</summary>
    LocaleNotText,

    /// <summary><c>locale_too_long</c>: more than 32 code points.</summary>
    LocaleTooLong,

    /// <summary><c>app_version_not_text</c>: as <see cref="UserIdNotText"/>; a JSON number is not a version (2.10 would be 2.1).</summary>
    AppVersionNotText,

    /// <summary><c>app_version_not_a_version</c>: text that <see cref="AppVersion"/> does not take for a version.</summary>
    AppVersionNotAVersion,

    /// <summary><c>envelope_malformed</c>: an envelope whose own members contradict each other or cannot be decoded.</summary>
    EnvelopeMalformed,

    /// <summary><c>envelope_without_data</c>: a CloudEvent that carries nothing.</summary>
    EnvelopeWithoutData,

    /// <summary><c>envelopes_too_deep</c>: more envelopes around each other than <see cref="MessageReader.MaxNesting"/>.</summary>
    EnvelopesTooDeep,

    /// <summary><c>batch_malformed</c>: announced as a CloudEvents batch and not a JSON array, or an array of too many elements.</summary>
    BatchMalformed,

    /// <summary><c>batch_empty</c>: a CloudEvents batch without an element.</summary>
    BatchEmpty,

    /// <summary><c>refused_by_storage</c>: a login that passed every rule here and that the database refused all the same.</summary>
    RefusedByStorage,
}

/// <summary>The stable codes of <see cref="RejectReason"/>: the name in snake_case.</summary>
public static class RejectReasons
{
    private static readonly string[] Codes = Array.ConvertAll(Enum.GetNames<RejectReason>(), ToSnakeCase);

    /// <summary>The reason as it is stored and sent.</summary>
    public static string ToCode(this RejectReason reason) => Codes[(int)reason];

    /// <summary>Reads a stored code; exact, so lower case.</summary>
    public static bool TryParse(string code, out RejectReason reason)
    {
        var index = Array.IndexOf(Codes, code);
        reason = (RejectReason)Math.Max(index, 0);
        return index >= 0;
    }

    private static string ToSnakeCase(string name) => string.Concat(name.Select(
        (letter, at) => char.IsUpper(letter) && at > 0 ? $"_{char.ToLowerInvariant(letter)}" : $"{char.ToLowerInvariant(letter)}"));
}
