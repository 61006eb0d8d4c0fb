using System.Net;
using System.Text.Json;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;

namespace PiiMasking.IngestionService.Intake;

/// <summary>
/// Ready when the masking service is: with Dapr's app health checks on, any broker then stops delivering while nothing can be stored.
/// </summary>
/// <remarks>
/// One question at a time, however many ask. A probe does not wait long, but the question goes on without it: the first one to an app
/// id may take the sidecar a second or two to resolve. A login that was just stored says more than an answer that was asked for before it,
/// or that is late because masking has its hands full: a subscription that daprd stops takes the answers of what is in work with it.
/// </remarks>
internal sealed class MaskingReadiness(MaskingClient masking, IOptions<IntakeOptions> options, TimeProvider time) : IHealthCheck
{
    private static readonly TimeSpan QuestionTimeout = TimeSpan.FromSeconds(5);
    private static readonly HealthCheckResult TooSlow = HealthCheckResult.Unhealthy("the masking service does not answer in time");

    private readonly Lock gate = new();
    private Task<HealthCheckResult>? question;
    private long askedAt;

    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        if (masking.SinceStored < options.Value.ReadinessAge)
            return HealthCheckResult.Healthy();
        var answer = Ask();
        try
        {
            return await answer.WaitAsync(options.Value.ReadinessWait, time, cancellationToken);
        }
        catch (TimeoutException)
        {
            return TooSlow;
        }
    }

    private Task<HealthCheckResult> Ask()
    {
        lock (gate)
        {
            if (question is null || (question.IsCompleted && time.GetElapsedTime(askedAt) >= options.Value.ReadinessAge))
            {
                askedAt = time.GetTimestamp();
                question = AskMaskingAsync();
            }

            return question;
        }
    }

    private async Task<HealthCheckResult> AskMaskingAsync()
    {
        using var limit = new CancellationTokenSource(QuestionTimeout, time);
        try
        {
            var (status, body) = await masking.AskReadinessAsync(limit.Token);
            return status == HttpStatusCode.OK
                ? HealthCheckResult.Healthy()
                : HealthCheckResult.Unhealthy(WhatIsMissing(body) ?? $"the masking service is out of reach (status {(int)status})");
        }
        catch (HttpRequestException)
        {
            return HealthCheckResult.Unhealthy("the sidecar does not answer");
        }
        catch (OperationCanceledException)
        {
            return TooSlow;
        }
    }

    /// <summary>What the masking service itself says is missing; null if the answer is not its own but the sidecar's.</summary>
    private static string? WhatIsMissing(byte[] body)
    {
        try
        {
            using var answer = JsonDocument.Parse(body);
            return answer.RootElement.ValueKind == JsonValueKind.Object
                && answer.RootElement.TryGetProperty("missing", out var missing) && missing.ValueKind == JsonValueKind.Object
                ? string.Join("; ", missing.EnumerateObject().Select(check => $"{check.Name}: {check.Value}"))
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
