namespace PiiMasking.SqsComponent.Instances;

/// <summary>What one Component file asks for. Names, defaults and limits are in the project's README.</summary>
internal sealed record SqsSettings
{
    public string? Region { get; init; }

    public Uri? Endpoint { get; init; }

    public string? AccessKey { get; init; }

    public string? SecretKey { get; init; }

    public string? SessionToken { get; init; }

    /// <summary>Most messages in one batch.</summary>
    public int BatchSize { get; init; } = 500;

    /// <summary>How long a batch that is not full waits while more messages are coming.</summary>
    public TimeSpan BatchWait { get; init; } = TimeSpan.FromMilliseconds(20);

    /// <summary>Most messages received and neither deleted nor given back, per stream.</summary>
    public int MaxOutstandingMessages { get; init; } = 1000;

    /// <summary>Most bytes of their bodies, per stream.</summary>
    public long MaxOutstandingBytes { get; init; } = 16 << 20;

    /// <summary>Most receive requests at a time.</summary>
    public int Receivers { get; init; } = 8;

    /// <summary>How long a receive request waits for a message (long polling).</summary>
    public TimeSpan WaitTime { get; init; } = TimeSpan.FromSeconds(5);

    public TimeSpan VisibilityTimeout { get; init; } = TimeSpan.FromSeconds(30);

    public TimeSpan RetryBackoffMin { get; init; } = TimeSpan.FromSeconds(1);

    public TimeSpan RetryBackoffMax { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Make the queue and its dead-letter queue if they are missing.</summary>
    public bool CreateQueues { get; init; }

    /// <summary>Receives after which SQS moves a message to the dead-letter queue; set only together with CreateQueues.</summary>
    public int? MaxReceiveCount { get; init; }

    /// <summary>Names nothing: a record would print its members, and two of them are secrets.</summary>
    public override string ToString() => nameof(SqsSettings);
}
