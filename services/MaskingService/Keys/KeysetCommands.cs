using System.CommandLine;

namespace PiiMasking.MaskingService.Keys;

/// <summary>The verb <c>keyset</c>.</summary>
internal static class KeysetCommands
{
    public static Command Create() => new("keyset", "Makes and changes keysets.");
}
