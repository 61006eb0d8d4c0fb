using Amazon.Runtime;
using Amazon.Runtime.Internal;
using Amazon.SQS;
using Amazon.SQS.Internal;

namespace PiiMasking.SqsComponent.Queues;

/// <summary>The SDK's client without its check of MD5 sums.</summary>
/// <remarks>
/// The check fails a whole receive for one message whose sum does not fit, and with it nine good ones, again and again. It
/// does not fit at an emulator that sums up attributes which were not asked for. The connection has integrity of its own.
/// </remarks>
internal sealed class SqsClient : AmazonSQSClient
{
    /// <summary>With the credentials that AWS's chain finds.</summary>
    public SqsClient(AmazonSQSConfig config)
        : base(config)
    {
    }

    public SqsClient(AWSCredentials credentials, AmazonSQSConfig config)
        : base(credentials, config)
    {
    }

    protected override void CustomizeRuntimePipeline(RuntimePipeline pipeline)
    {
        base.CustomizeRuntimePipeline(pipeline);
        pipeline.RemoveHandler<ValidationResponseHandler>();
    }
}
