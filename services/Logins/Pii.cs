namespace PiiMasking.Logins;

/// <summary>A personal value in the clear, from the wire until it is masked.</summary>
/// <remarks>
/// Formats as a label, so that no log line, exception or debugger view can print it by accident. A search for
/// <see cref="Expose"/> lists every place that handles personal data.
/// </remarks>
public sealed class Pii(string value)
{
    /// <summary>The value in the clear. Whoever calls this answers for where it goes.</summary>
    public string Expose() => value;

    /// <returns>Always <c>[pii]</c>.</returns>
    public override string ToString() => "[pii]";
}
