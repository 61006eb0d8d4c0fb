using System.Buffers.Text;

namespace PiiMasking.Logins;

/// <summary>Decodes base64 where it stands: most of what a delivery has is base64, and decoded in place it needs no memory of its own.</summary>
public static class Base64InPlace
{
    /// <param name="text">Overwritten if it is base64, else left alone.</param>
    /// <param name="decoded">A part of <paramref name="text"/>'s memory.</param>
    /// <returns>False if the text is no padded base64.</returns>
    public static bool TryDecode(Memory<byte> text, out Memory<byte> decoded)
    {
        decoded = default;
        if (!Base64.IsValid(text.Span))
            return false;
        Base64.DecodeFromUtf8InPlace(text.Span, out var length);
        decoded = text[..length];
        return true;
    }
}
