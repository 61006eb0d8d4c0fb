using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Logging;

namespace PiiMasking.ServiceDefaults;

/// <summary><c>GET /healthz</c>: the process answers. <c>GET /readyz</c>: it can do its work, or what is missing.</summary>
internal static class Health
{
    public const string AlivePath = "/healthz";
    public const string ReadyPath = "/readyz";

    public static bool IsProbe(PathString path) => path == AlivePath || path == ReadyPath;

    public static void MapHealth(this IEndpointRouteBuilder routes)
    {
        // A probe carries no token, neither daprd's nor the kubelet's.
        routes.MapGet(AlivePath, (HttpContext context) => Write(context, StatusCodes.Status200OK, new HealthAnswer("alive", null, null))).AllowAnonymous();
        routes.MapGet(ReadyPath, async (HttpContext context, Readiness readiness) =>
        {
            var (missing, warnings) = await readiness.AskAsync(context.RequestAborted);
            var warned = warnings.Count == 0 ? null : warnings;
            await (missing.Count == 0
                ? Write(context, StatusCodes.Status200OK, new HealthAnswer("ready", null, warned))
                : Write(context, StatusCodes.Status503ServiceUnavailable, new HealthAnswer("not ready", missing, warned)));
        }).AllowAnonymous();
    }

    private static Task Write(HttpContext context, int status, HealthAnswer answer)
    {
        context.Response.StatusCode = status;
        context.Response.Headers.CacheControl = "no-store";
        return context.Response.WriteAsJsonAsync(answer, HealthJson.Default.HealthAnswer, cancellationToken: context.RequestAborted);
    }
}

/// <summary>Answer of both probes.</summary>
/// <param name="Status"><c>alive</c>, <c>ready</c> or <c>not ready</c>.</param>
/// <param name="Missing">What is missing, by the name of the check; null if nothing is.</param>
/// <param name="Warnings">What will be missing if nobody acts, by the name of the check; null if nothing will.</param>
internal sealed record HealthAnswer(string Status, IReadOnlyDictionary<string, string>? Missing, IReadOnlyDictionary<string, string>? Warnings);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(HealthAnswer))]
internal sealed partial class HealthJson : JsonSerializerContext;

/// <summary>Asks the registered health checks and logs when their verdict changes.</summary>
internal sealed class Readiness(HealthCheckService checks, ILogger<Readiness> log)
{
    private string? lastVerdict;

    /// <returns>Descriptions of the unhealthy checks by name, none if the host is ready, and of the degraded ones.</returns>
    public async Task<(IReadOnlyDictionary<string, string> Missing, IReadOnlyDictionary<string, string> Warnings)> AskAsync(
        CancellationToken stopping)
    {
        var report = await checks.CheckHealthAsync(stopping);
        var missing = WithStatus(report, HealthStatus.Unhealthy);

        var verdict = string.Join("; ", missing.Select(check => $"{check.Key}: {check.Value}"));
        if (Interlocked.Exchange(ref lastVerdict, verdict) != verdict)
        {
            if (missing.Count == 0)
                log.Ready();
            else
                log.NotReady(verdict);
        }

        return (missing, WithStatus(report, HealthStatus.Degraded));
    }

    private static Dictionary<string, string> WithStatus(HealthReport report, HealthStatus status) => report.Entries
        .Where(check => check.Value.Status == status)
        .OrderBy(check => check.Key, StringComparer.Ordinal)
        .ToDictionary(check => check.Key, check => Describe(check.Value));

    // A check that threw has the exception's message as its description; that text is nobody's to read here.
    private static string Describe(HealthReportEntry check) =>
        check.Exception is { } exception ? exception.GetType().Name : check.Description ?? "not ready";
}

internal static partial class Log
{
    [LoggerMessage(1001, LogLevel.Information, "Ready")]
    public static partial void Ready(this ILogger logger);

    [LoggerMessage(1002, LogLevel.Warning, "Not ready: {Missing}")]
    public static partial void NotReady(this ILogger logger, string missing);
}
