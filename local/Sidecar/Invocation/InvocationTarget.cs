using System.Text;

namespace PiiMasking.Sidecar.Invocation;

/// <summary>Whom a request means to call, and which path of it (dapr/pkg/api/http/directmessaging.go).</summary>
/// <param name="AppId">As the caller wrote it.</param>
/// <param name="Path">Decoded and cleaned, without a leading slash.</param>
internal sealed record InvocationTarget(string AppId, string Path)
{
    public const string AppIdHeader = "dapr-app-id";

    private const string Prefix = "/v1.0/invoke/";
    private const string Separator = "/method/";

    /// <param name="rawPath">The path as it came, still encoded, without the query.</param>
    /// <param name="appIdHeader">The header dapr-app-id, or null.</param>
    /// <param name="authorization">The header authorization, or null.</param>
    /// <returns>Null if the request names no app.</returns>
    public static InvocationTarget? Find(string rawPath, string? appIdHeader, string? authorization)
    {
        if (!string.IsNullOrEmpty(appIdHeader))
            return new InvocationTarget(appIdHeader, rawPath);
        if (FromBasic(authorization) is { } user)
            return new InvocationTarget(user, rawPath);

        if (!rawPath.StartsWith(Prefix, StringComparison.Ordinal))
            return null;
        var rest = rawPath[Prefix.Length..];
        var at = rest.IndexOf(Separator, StringComparison.Ordinal);
        return at > 0 ? new InvocationTarget(Uri.UnescapeDataString(rest[..at]), rest[(at + Separator.Length)..]) : null;
    }

    /// <summary>Decodes the path once and takes "..", "//" and a trailing slash out of it.</summary>
    /// <returns>False if the decoded path holds what no path may: '#', '?' or a control character.</returns>
    public bool TryClean(out string path)
    {
        path = "";
        var decoded = Uri.UnescapeDataString(Path);
        if (decoded.Any(character => character is '#' or '?' || char.IsControl(character)))
            return false;

        var segments = new List<string>();
        foreach (var segment in decoded.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            if (segment == "..")
                segments.RemoveRange(Math.Max(0, segments.Count - 1), Math.Min(1, segments.Count));
            else if (segment != ".")
                segments.Add(segment);
        }

        path = string.Join('/', segments);
        return true;
    }

    private static string? FromBasic(string? authorization)
    {
        const string basic = "Basic ";
        if (authorization?.StartsWith(basic, StringComparison.Ordinal) != true)
            return null;
        var encoded = authorization[basic.Length..];
        Span<byte> decoded = new byte[encoded.Length];
        if (!Convert.TryFromBase64String(encoded, decoded, out var length))
            return null;
        return Encoding.UTF8.GetString(decoded[..length]).Split(':') is [AppIdHeader, { Length: > 0 } appId] ? appId : null;
    }
}
