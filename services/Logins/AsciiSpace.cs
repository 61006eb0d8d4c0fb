namespace PiiMasking.Logins;

/// <summary>The white space that is dropped around values: what people and tools add by accident, and nothing that could be meant.</summary>
internal static class AsciiSpace
{
    public const string Characters = " \t\r\n";
}
