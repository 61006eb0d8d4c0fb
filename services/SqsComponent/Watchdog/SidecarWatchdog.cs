using System.Net;
using Microsoft.Extensions.Options;

namespace PiiMasking.SqsComponent.Watchdog;

/// <summary>Looks after the sidecar, and asks it to shut down when only its restart (by its supervisor) helps.</summary>
internal sealed class SidecarWatchdog(
    IOptions<WatchdogOptions> options,
    SidecarSightings sightings,
    IConfiguration configuration,
    TimeProvider time,
    ILogger<SidecarWatchdog> logger) : BackgroundService
{
    private const string TokenHeader = "dapr-api-token";

    private static readonly TimeSpan RequestTimeout = TimeSpan.FromSeconds(3);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (options.Value.SidecarUrl is not { } sidecar)
            return;
        var patience = options.Value.Patience;
        var decision = new RestartDecision(patience);
        // A loopback address is not to be asked for through a proxy.
        using var handler = new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false };
        using var http = new HttpClient(handler) { Timeout = RequestTimeout };
        using var timer = new PeriodicTimer(patience / 10, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
                await LookAsync(http, sidecar, decision, stoppingToken);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The process stops, and the sidecar's next component process is not our business.
        }
    }

    private async Task LookAsync(HttpClient http, Uri sidecar, RestartDecision decision, CancellationToken stopping)
    {
        var sidecarUp = await AnswersAsync(http, new Uri(sidecar, "/v1.0/healthz/outbound"), stopping)
            || await AnswersAsync(http, new Uri(sidecar, "/v1.0/healthz"), stopping);
        var appReady = options.Value.AppReadyUrl is { } app && await AnswersAsync(http, app, stopping);
        var seen = sightings.Now();
        if (decision.Decide(seen, sidecarUp, appReady, time.GetUtcNow()) is not { } reason)
            return;

        decision.Asked(time.GetUtcNow());
        if (reason == RestartReason.NotInitialised)
            logger.NeverInitialised(options.Value.Patience);
        else
            logger.StreamsNotReopened(string.Join(", ", seen.BrokenTopics), options.Value.Patience);
        if (await ShutDownAsync(http, new Uri(sidecar, "/v1.0/shutdown"), stopping))
            sightings.ForgetBrokenStreams();
    }

    private async Task<bool> ShutDownAsync(HttpClient http, Uri address, CancellationToken stopping)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, address);
        if (configuration["DAPR_API_TOKEN"] is { Length: > 0 } token)
            request.Headers.TryAddWithoutValidation(TokenHeader, token);
        try
        {
            using var response = await http.SendAsync(request, stopping);
            if (response.IsSuccessStatusCode)
                return true;
            var hint = response.StatusCode == HttpStatusCode.Unauthorized ? "; check DAPR_API_TOKEN" : "";
            logger.ShutdownRefused((int)response.StatusCode, hint);
        }
        catch (Exception fault) when (IsNoAnswer(fault, stopping))
        {
            logger.ShutdownUnanswered(fault.GetType().Name);
        }

        return false;
    }

    private static async Task<bool> AnswersAsync(HttpClient http, Uri address, CancellationToken stopping)
    {
        try
        {
            using var response = await http.GetAsync(address, HttpCompletionOption.ResponseHeadersRead, stopping);
            return response.IsSuccessStatusCode;
        }
        catch (Exception fault) when (IsNoAnswer(fault, stopping))
        {
            return false;
        }
    }

    private static bool IsNoAnswer(Exception fault, CancellationToken stopping) =>
        fault is HttpRequestException || (fault is OperationCanceledException && !stopping.IsCancellationRequested);
}
