namespace PiiMasking.MaskingService.People;

/// <summary>Who calls, for limits and for the audit.</summary>
/// <param name="Subject">The token's <c>sub</c>; null without a token that is good.</param>
/// <param name="Client">The program that the token was given to (<c>azp</c> or <c>client_id</c>), where the token says so.</param>
/// <param name="Address">Of the connection; behind a proxy the proxy's, unless forwarded headers are switched on.</param>
internal sealed record Caller(string? Subject, string? Client, string? Address)
{
    public static Caller Of(HttpContext context)
    {
        var address = context.Connection.RemoteIpAddress;
        return new Caller(
            context.User.FindFirst("sub")?.Value,
            (context.User.FindFirst("azp") ?? context.User.FindFirst("client_id"))?.Value,
            (address is { IsIPv4MappedToIPv6: true } ? address.MapToIPv4() : address)?.ToString());
    }
}
