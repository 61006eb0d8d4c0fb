using System.Net.Sockets;
using Amazon.Runtime;
using Amazon.SQS.Model;

namespace PiiMasking.SqsComponent.Queues;

/// <summary>What can go wrong between here and SQS, told apart.</summary>
internal static class SqsFaults
{
    // What SQS, IAM and the emulators answer to keys that they do not know or that do not fit.
    private static readonly HashSet<string> BadCredentials = new(StringComparer.Ordinal)
    {
        "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidSignatureException",
        "InvalidAccessKeyId", "ExpiredToken", "ExpiredTokenException", "MissingAuthenticationToken", "IncompleteSignature",
    };

    /// <summary>True for everything that the network or the service does to a caller; false for our own mistakes.</summary>
    public static bool IsOutside(Exception fault) =>
        fault is AmazonServiceException or AmazonClientException or HttpRequestException or IOException or SocketException
            or TimeoutException or OperationCanceledException;

    public static bool IsMissingQueue(Exception fault) => fault is QueueDoesNotExistException;

    public static bool IsBadCredentials(Exception fault) =>
        fault is AmazonServiceException { ErrorCode: { } code } && BadCredentials.Contains(code);

    /// <summary>A request that SQS understood and refused: sending it again as it is would be refused again.</summary>
    public static bool IsRefusal(Exception fault) =>
        fault is AmazonServiceException { ErrorType: ErrorType.Sender } refusal
        && (int)refusal.StatusCode is >= 400 and < 500 and not 429
        && refusal.ErrorCode?.Contains("Throttl", StringComparison.Ordinal) != true;

    /// <summary>Codes and kinds only: the text of an exception may quote what was sent.</summary>
    public static string Describe(Exception fault)
    {
        for (var at = fault; at is not null; at = at.InnerException)
        {
            if (at is SocketException socket)
                return socket.SocketErrorCode.ToString();
            if (at is AmazonServiceException { ErrorCode.Length: > 0 } service)
                return $"{service.ErrorCode} ({(int)service.StatusCode})";
        }

        return fault is OperationCanceledException ? "no answer in time" : fault.GetType().Name;
    }
}
