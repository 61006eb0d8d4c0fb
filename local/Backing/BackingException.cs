namespace PiiMasking.Backing;

/// <summary>Something on this machine keeps a part of the local system from starting or from going on.</summary>
/// <remarks>The message is one line for the person at the terminal: what is wrong, and what to do about it.</remarks>
public sealed class BackingException : Exception
{
    /// <param name="message">One line: the thing and the remedy.</param>
    public BackingException(string message) : base(message)
    {
    }

    /// <param name="message">One line: the thing and the remedy.</param>
    /// <param name="innerException">What was thrown first; not shown to the user.</param>
    public BackingException(string message, Exception innerException) : base(message, innerException)
    {
    }
}
