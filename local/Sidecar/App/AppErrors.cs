namespace PiiMasking.Sidecar.App;

/// <summary>What went wrong with an HTTP call, in words that hold no address, header or body.</summary>
internal static class AppErrors
{
    public static string Describe(Exception failed) => failed switch
    {
        AppChannelException => failed.Message,
        HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError } => "connection refused",
        HttpRequestException { HttpRequestError: HttpRequestError.ResponseEnded } => "connection closed before an answer",
        HttpRequestException http => $"HTTP failure ({http.HttpRequestError})",
        OperationCanceledException => "context canceled",
        _ => failed.GetType().Name,
    };
}
