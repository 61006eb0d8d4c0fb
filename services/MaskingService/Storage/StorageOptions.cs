using System.ComponentModel.DataAnnotations;

namespace PiiMasking.MaskingService.Storage;

/// <summary>How logins are written to Postgres. Bound from "Storage".</summary>
internal sealed class StorageOptions
{
    /// <summary>Secret that holds the password of the connection string's user. Null: the connection string says it itself.</summary>
    /// <value>Name of a secret in the store that <c>Keys:SecretStore</c> names.</value>
    public string? PasswordSecret { get; init; }

    /// <summary>Writers that commit at the same time, each on a connection of its own.</summary>
    [Range(1, 32)]
    public int Writers { get; init; } = 2;

    /// <summary>Most messages in one transaction.</summary>
    [Range(1, 10_000)]
    public int MaxMessagesPerTransaction { get; init; } = 1_000;

    /// <summary>Most calls that wait for a writer. Each holds at most one request body.</summary>
    [Range(1, 10_000)]
    public int MaxWaitingCalls { get; init; } = 64;

    /// <summary>How long a call waits for room before it is answered 503.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:10:00")]
    public TimeSpan MaxWait { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long one statement may take. The transaction fails after it and the messages are sent again.</summary>
    [Range(typeof(TimeSpan), "00:00:01", "00:10:00")]
    public TimeSpan CommandTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Months for which partitions are made in advance.</summary>
    [Range(2, 120)]
    public int PartitionMonthsAhead { get; init; } = 2;
}
