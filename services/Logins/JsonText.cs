using System.Buffers;
using System.Text.Json;

namespace PiiMasking.Logins;

/// <summary>The characters of a JSON string, decoded into a caller's buffer or, when it is too small, into a pooled one.</summary>
internal ref struct JsonText
{
    private char[]? rented;

    /// <param name="reader">Stands on a value of any type.</param>
    /// <param name="buffer">Used when the text surely fits.</param>
    public JsonText(scoped in Utf8JsonReader reader, Span<char> buffer)
    {
        if (reader.TokenType != JsonTokenType.String)
            return;

        // A character never takes less than one byte of its JSON.
        if (reader.ValueSpan.Length > buffer.Length)
            buffer = rented = ArrayPool<char>.Shared.Rent(reader.ValueSpan.Length);
        try
        {
            Characters = buffer[..reader.CopyString(buffer)];
            IsText = !Characters.Contains('\0');
        }
        catch (InvalidOperationException)
        {
            // An unpaired surrogate or invalid UTF-8; the reader has no gentler way to say so. Its message quotes the input and goes no further.
        }
    }

    /// <summary>False for another JSON type, and for a string with U+0000, an unpaired surrogate or invalid UTF-8.</summary>
    public bool IsText { get; }

    /// <summary>Empty if the string cannot be decoded.</summary>
    public ReadOnlySpan<char> Characters { get; }

    public void Dispose()
    {
        if (rented is not null)
            ArrayPool<char>.Shared.Return(rented, clearArray: true);
        rented = null;
    }

    /// <summary>Whether the member name under the reader is <paramref name="name"/>, written plainly or with \u escapes.</summary>
    /// <param name="reader">Stands on a member name, which may be anything: unpaired surrogates, invalid UTF-8.</param>
    /// <param name="name">ASCII without quotes, slashes and control characters.</param>
    public static bool NameIs(in Utf8JsonReader reader, ReadOnlySpan<byte> name)
    {
        var raw = reader.ValueSpan;
        if (!reader.ValueIsEscaped)
            return raw.SequenceEqual(name);

        Span<byte> code = stackalloc byte[2];
        foreach (var letter in name)
        {
            if (raw.IsEmpty)
                return false;
            if (raw[0] != '\\')
            {
                if (raw[0] != letter)
                    return false;
                raw = raw[1..];
                continue;
            }

            // The reader has made sure of four hexadecimal digits after \u.
            if (raw[1] != 'u' || Convert.FromHexString(raw[2..6], code, out _, out _) != OperationStatus.Done || code[0] != 0 || code[1] != letter)
                return false;
            raw = raw[6..];
        }

        return raw.IsEmpty;
    }
}
