namespace PiiMasking.AppHost;

/// <summary>A span as a program exported it.</summary>
/// <param name="TraceId">32 hex digits.</param>
/// <param name="Id">16 hex digits.</param>
/// <param name="ParentId">Of its parent; empty for a root.</param>
/// <param name="Name">As the program named it.</param>
/// <param name="Service">The program.</param>
/// <param name="Library">What made the span in it.</param>
/// <param name="Start">Nanoseconds since 1970.</param>
/// <param name="End">Nanoseconds since 1970.</param>
internal sealed record Span(string TraceId, string Id, string ParentId, string Name, string Service, string Library, ulong Start, ulong End)
{
    public TimeSpan Duration => TimeSpan.FromTicks((long)(End - Start) / TimeSpan.NanosecondsPerTick);
}
