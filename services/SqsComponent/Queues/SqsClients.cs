using Amazon;
using Amazon.Runtime;
using Amazon.SQS;
using Amazon.SQS.Model;
using PiiMasking.SqsComponent.Instances;

namespace PiiMasking.SqsComponent.Queues;

/// <summary>Makes the client of one component instance, and sees whether anybody answers it.</summary>
internal static class SqsClients
{
    private const string RegionOfEmulators = "us-east-1";

    // daprd gives Init five seconds by default, and its own errors say less than ours.
    private static readonly TimeSpan CheckTimeout = TimeSpan.FromSeconds(4);

    /// <exception cref="MetadataException">There is no region to be found.</exception>
    public static SqsClient Make(SqsSettings settings)
    {
        var config = new AmazonSQSConfig
        {
            // The loop that reads a queue backs off by itself; one quick try more covers a connection that had gone stale.
            MaxErrorRetry = 1,
            RetryMode = RequestRetryMode.Standard,
            Timeout = TimeSpan.FromSeconds(40),
        };
        if (settings.Endpoint is { } endpoint)
        {
            config.ServiceURL = endpoint.ToString();
            config.AuthenticationRegion = settings.Region ?? FallbackRegion()?.SystemName ?? RegionOfEmulators;
        }
        else
        {
            config.RegionEndpoint = settings.Region is { } region ? RegionEndpoint.GetBySystemName(region) : FallbackRegion();
            if (config.RegionEndpoint is null)
            {
                throw new MetadataException(
                    "metadata entry 'region' is missing, and so is AWS_REGION; set the region, or 'endpoint' for something other than AWS");
            }
        }

        return settings switch
        {
            { AccessKey: null } => new SqsClient(config),
            { SessionToken: null } => new SqsClient(new BasicAWSCredentials(settings.AccessKey, settings.SecretKey), config),
            _ => new SqsClient(
                new SessionAWSCredentials(settings.AccessKey, settings.SecretKey, settings.SessionToken), config),
        };
    }

    /// <summary>Where a client of these settings sends its requests, for messages to people.</summary>
    public static string Place(SqsSettings settings) =>
        settings.Endpoint is { } endpoint
            ? endpoint.GetLeftPart(UriPartial.Authority)
            : $"AWS region {settings.Region ?? FallbackRegion()?.SystemName}";

    /// <summary>One cheap request. That it may not be allowed is fine: somebody who knows us answered.</summary>
    /// <exception cref="MetadataException">Nobody answers, or not as SQS does, or the credentials are wrong.</exception>
    public static async Task CheckAsync(IAmazonSQS sqs, SqsSettings settings, CancellationToken stopping)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        timeout.CancelAfter(CheckTimeout);
        try
        {
            await sqs.ListQueuesAsync(new ListQueuesRequest { MaxResults = 1 }, timeout.Token);
        }
        catch (Exception fault) when (SqsFaults.IsBadCredentials(fault))
        {
            throw new MetadataException(
                $"SQS at {Place(settings)} refuses the credentials ({SqsFaults.Describe(fault)}); " +
                "check 'accessKey', 'secretKey' and 'sessionToken'");
        }
        catch (AmazonServiceException fault) when (string.IsNullOrEmpty(fault.ErrorCode) && fault.StatusCode != 0)
        {
            throw new MetadataException(
                $"what answers at {Place(settings)} (with status {(int)fault.StatusCode}) is not SQS; check metadata entry 'endpoint'");
        }
        catch (Exception fault) when (SqsFaults.IsRefusal(fault))
        {
            // AccessDenied, or an emulator that cannot list: reachable all the same.
        }
        catch (Exception fault) when (SqsFaults.IsOutside(fault) && !stopping.IsCancellationRequested)
        {
            throw new MetadataException(
                $"no SQS to be reached at {Place(settings)} ({SqsFaults.Describe(fault)}); check 'endpoint' and 'region', that it is up" +
                (settings.AccessKey is null ? ", and that there are AWS credentials ('accessKey' is not set)" : ""));
        }
    }

    private static RegionEndpoint? FallbackRegion() => FallbackRegionFactory.GetRegionEndpoint();
}
