using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Dapr.Client;
using Microsoft.Extensions.Options;
using PiiMasking.Contracts;

namespace PiiMasking.IngestionService.Intake;

/// <summary>What came of a call to the masking service.</summary>
internal abstract record StoreOutcome
{
    private StoreOutcome() { }   // closed: these three are all there are

    /// <summary>One outcome a message, in their order.</summary>
    public sealed record Answered(IReadOnlyList<LoginOutcome> Outcomes) : StoreOutcome;

    /// <summary>This call was refused or answered wrongly; another may go better.</summary>
    public sealed record Failed : StoreOutcome;

    /// <summary>No answer, or none that came from a working masking service: nothing gets through at the moment.</summary>
    public sealed record Away : StoreOutcome;
}

/// <summary>Calls the masking service by service invocation. What fails is logged here and comes back as an outcome.</summary>
internal sealed class MaskingClient : IDisposable
{
    private const string ReadyRoute = "/readyz";
    private const long Never = -1;

    // Bytes of a login in the body of a call.
    private const int UsualMessage = 300;

    // An answer has some 20 bytes a message.
    private const int LargestAnswer = 4 << 20;
    private static readonly MediaTypeHeaderValue Json = new("application/json", "utf-8");

    private readonly HttpClient http;
    private readonly TimeSpan timeout;
    private readonly IntakeMetrics metrics;
    private readonly TimeProvider time;
    private readonly ILogger<MaskingClient> log;
    private long storedAt = Never;

    public MaskingClient(
        DaprClient dapr, IOptions<IntakeOptions> options, IntakeMetrics metrics, TimeProvider time, ILogger<MaskingClient> log)
    {
        // Of the instance, not the static one: that would not show the sidecar's API token.
        http = dapr.CreateInvokableHttpClient(options.Value.MaskingAppId);
        http.Timeout = Timeout.InfiniteTimeSpan;   // each call has its own
        http.MaxResponseContentBufferSize = LargestAnswer;
        timeout = options.Value.MaskingTimeout;
        MaxCallBytes = options.Value.MaxCallBytes;
        (this.metrics, this.time, this.log) = (metrics, time, log);
    }

    /// <summary>Largest body of a call.</summary>
    public long MaxCallBytes { get; }

    /// <summary>How long ago an answer came that had something stored; null if there was none.</summary>
    public TimeSpan? SinceStored => Volatile.Read(ref storedAt) is var at and not Never ? time.GetElapsedTime(at) : null;

    /// <summary>Sends a batch to be stored.</summary>
    public async Task<StoreOutcome> StoreAsync(LoginBatch batch)
    {
        using var content = new PooledContent(Json, batch.Messages.Count * UsualMessage);
        using (var writer = new Utf8JsonWriter(content))
            JsonSerializer.Serialize(writer, batch, ContractsJson.Default.LoginBatch);

        var started = time.GetTimestamp();
        using var limit = new CancellationTokenSource(timeout, time);
        try
        {
            using var response = await http.PostAsync(LoginBatch.Route, content, limit.Token);
            metrics.Called(time.GetElapsedTime(started), (int)response.StatusCode);
            if (!response.IsSuccessStatusCode)
            {
                log.MaskingAnswered((int)response.StatusCode, batch.Messages.Count);
                return IsAboutTheCall(response.StatusCode) ? new StoreOutcome.Failed() : new StoreOutcome.Away();
            }

            var answer = await response.Content.ReadAsByteArrayAsync(limit.Token);
            return Check(JsonSerializer.Deserialize(answer, ContractsJson.Default.LoginBatchResult), batch.Messages.Count);
        }
        catch (JsonException)
        {
            log.MaskingAnswerUnreadable(batch.Messages.Count);
            return new StoreOutcome.Failed();
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested)
        {
            log.MaskingTimedOut(timeout, batch.Messages.Count);
            return new StoreOutcome.Away();
        }
        catch (HttpRequestException failure)
        {
            log.MaskingOutOfReach(failure.HttpRequestError, batch.Messages.Count);
            return new StoreOutcome.Away();
        }
    }

    /// <summary>Asks whether the masking service is ready.</summary>
    /// <returns>Its answer's status and body; the body names what it misses.</returns>
    /// <exception cref="HttpRequestException">The sidecar does not answer.</exception>
    public async Task<(HttpStatusCode Status, byte[] Body)> AskReadinessAsync(CancellationToken stopping)
    {
        using var response = await http.GetAsync(ReadyRoute, stopping);
        return (response.StatusCode, await response.Content.ReadAsByteArrayAsync(stopping));
    }

    public void Dispose() => http.Dispose();

    private StoreOutcome Check(LoginBatchResult? result, int messages)
    {
        if (result?.Outcomes is { } outcomes && outcomes.Count == messages)
        {
            if (outcomes.Contains(LoginOutcome.Stored))
                Volatile.Write(ref storedAt, time.GetTimestamp());
            return new StoreOutcome.Answered(outcomes);
        }

        log.MaskingAnswerShort(result?.Outcomes?.Count ?? 0, messages);
        return new StoreOutcome.Failed();
    }

    // 429 and 408 speak of the moment, 401 and 403 of who we are; neither differs from call to call.
    private static bool IsAboutTheCall(HttpStatusCode status) =>
        status is HttpStatusCode.BadRequest or HttpStatusCode.RequestEntityTooLarge or HttpStatusCode.UnprocessableEntity;
}
