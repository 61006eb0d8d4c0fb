using System.Buffers;
using System.Text;

namespace PiiMasking.Logins;

/// <summary>The one text of a device id: trimmed and in Unicode normalisation form C. Case is kept, since ids may be case-sensitive.</summary>
/// <remarks>The rules are part of the masking key, as those of <see cref="CanonicalAddress"/>.</remarks>
public static class CanonicalDeviceId
{
    /// <summary>Most bytes of UTF-8 in a canonical device id.</summary>
    public const int MaxBytes = 128;

    // Form C takes at most a third of the bytes of any spelling of a text (decomposed Hangul is 9 bytes for 3). Four times the limit is
    // therefore too long in every spelling, and the bound keeps the normaliser, quadratic in combining marks, away from a megabyte of them.
    private const int MaxSpelledBytes = 4 * MaxBytes;

    /// <summary>
    /// Whether this process can normalise. Without ICU (invariant globalisation) .NET returns non-ASCII text as it is, silently, and one
    /// device would get two tokens: a host checks this before it takes its first message.
    /// </summary>
    public static bool CanNormalise { get; } = "e\u0301".Normalize(NormalizationForm.FormC) == "\u00e9";

    /// <summary>Makes the canonical text of a device id.</summary>
    /// <param name="text">As received; ASCII white space around it is dropped.</param>
    /// <param name="canonical">1 to 128 bytes of UTF-8, or empty.</param>
    /// <param name="reason">Why there is none: one of the three <c>DeviceId</c> reasons. Meaningless when the method returns true.</param>
    public static bool TryFormat(ReadOnlySpan<char> text, out string canonical, out RejectReason reason)
    {
        text = text.Trim(AsciiSpace.Characters);
        canonical = "";
        reason = RejectReason.DeviceIdMissing;
        if (text.IsEmpty)
            return false;

        reason = RejectReason.DeviceIdTooLong;
        if (text.Length > MaxSpelledBytes)
            return false;

        reason = RejectReason.DeviceIdNotText;
        if (!IsText(text))
            return false;

        reason = RejectReason.DeviceIdTooLong;
        var spelled = new string(text);
        var normal = Ascii.IsValid(text) ? spelled : spelled.Normalize(NormalizationForm.FormC);
        if (Encoding.UTF8.GetByteCount(normal) > MaxBytes)
            return false;
        canonical = normal;
        return true;
    }

    private static bool IsText(ReadOnlySpan<char> text)
    {
        while (!text.IsEmpty)
        {
            // An unpaired surrogate does not decode. .NET's normaliser throws on U+FFFE, the byte order mark read backwards.
            if (Rune.DecodeFromUtf16(text, out var rune, out var consumed) != OperationStatus.Done
                || Rune.IsControl(rune) || rune.Value == 0xFFFE)
            {
                return false;
            }

            text = text[consumed..];
        }

        return true;
    }
}
