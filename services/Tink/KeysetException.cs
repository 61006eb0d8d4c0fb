namespace PiiMasking.Tink;

/// <summary>A keyset, or a change to one, that is refused.</summary>
/// <remarks>
/// The message says what is wrong and what to do about it. It names key ids and positions in the text, never a piece of
/// the text itself, so it may be logged and shown.
/// </remarks>
public sealed class KeysetException : Exception
{
    /// <summary>Makes the exception without a message.</summary>
    public KeysetException()
    {
    }

    /// <summary>Makes the exception with the sentence that operators read.</summary>
    public KeysetException(string message)
        : base(message)
    {
    }

    /// <summary>Makes the exception with the sentence that operators read, and its cause.</summary>
    public KeysetException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}
