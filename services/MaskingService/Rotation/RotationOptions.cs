using System.ComponentModel.DataAnnotations;

namespace PiiMasking.MaskingService.Rotation;

/// <summary>How keys are rotated. Bound from "Rotation".</summary>
internal sealed class RotationOptions
{
    public const string Section = "Rotation";

    /// <summary>Login whose password the connection string <c>Rotation</c> lacks: the secret that holds it.</summary>
    public string? PasswordSecret { get; init; }

    /// <summary>How often a replica says which keys it has, and looks whether there is something to do.</summary>
    [Range(typeof(TimeSpan), "00:00:00.05", "00:10:00")]
    public TimeSpan CheckEvery { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>A replica that has not been heard of for so long holds up nothing any more.</summary>
    /// <value>Several times <see cref="CheckEvery"/>; the same on all replicas.</value>
    [Range(typeof(TimeSpan), "00:00:00.5", "01:00:00")]
    public TimeSpan ReplicaGoneAfter { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>When another replica takes over the work of one that is not heard of.</summary>
    [Range(typeof(TimeSpan), "00:00:00.5", "01:00:00")]
    public TimeSpan WorkerGoneAfter { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Logins that are copied in one transaction. Deletions of logins wait for it.</summary>
    [Range(1, 50_000)]
    public int ChunkRows { get; init; } = 2_000;

    /// <summary>Share of the time that is spent copying while logins come in; all of it while none do.</summary>
    [Range(0.01, 1)]
    public double ShareWhileBusy { get; init; } = 0.8;

    /// <summary>How long to wait after the swap could not be made because of readers.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:10:00")]
    public TimeSpan SwapRetry { get; init; } = TimeSpan.FromSeconds(3);
}
