namespace PiiMasking.MaskingService.Keys.Commands;

/// <summary>What a command reads from and writes to: bytes, because keys in strings could not be wiped.</summary>
/// <param name="Input">Standard input.</param>
/// <param name="Output">Standard output: results only, so that commands compose.</param>
/// <param name="Notes">Standard error: what a person wants to know.</param>
/// <param name="InputIsTerminal">Whether a person would have to type the input.</param>
/// <param name="OutputIsTerminal">Whether a person would see the output.</param>
internal sealed record Terminal(Stream Input, Stream Output, TextWriter Notes, bool InputIsTerminal, bool OutputIsTerminal)
{
    /// <summary>The process's own.</summary>
    public static Terminal OfProcess() => new(
        Console.OpenStandardInput(), Console.OpenStandardOutput(), Console.Error, !Console.IsInputRedirected, !Console.IsOutputRedirected);
}
