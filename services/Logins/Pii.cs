namespace PiiMasking.Logins;

/// <summary>A personal value in the clear, from the wire until it is masked.</summary>
/// <remarks>
/// Formats as a label, so that no log line, exception or debugger view can print it by accident. A search for
/// <see cref="Expose"/> lists every place that handles personal data. Two of them are in every login: as structures they cost no memory of
/// their own. The default holds null, which <c>LoginBatchRules</c> turns away.
/// </remarks>
public readonly struct Pii(string value)
{
    /// <summary>The value in the clear. Whoever calls this answers for where it goes.</summary>
    public string Expose() => value;

    /// <returns>Always <c>[pii]</c>.</returns>
    public override string ToString() => "[pii]";
}
