namespace PiiMasking.MaskingService.Storage;

/// <summary>Times as Postgres keeps them, for what is signed or compared with what was read back.</summary>
internal static class Microseconds
{
    /// <summary>UTC, without what is finer than a microsecond.</summary>
    public static DateTimeOffset Of(DateTimeOffset at) => new(at.UtcTicks - (at.UtcTicks % TimeSpan.TicksPerMicrosecond), TimeSpan.Zero);
}
