using System.ComponentModel.DataAnnotations;

namespace PiiMasking.IngestionService.Intake;

/// <summary>Where logins come from and who masks them. Bound from "Intake".</summary>
internal sealed class IntakeOptions
{
    public const string Section = "Intake";

    /// <summary>Name (metadata.name) of Dapr's pub/sub component.</summary>
    [Required(ErrorMessage = "Intake:PubSub must name the pub/sub component.")]
    public string PubSub { get; init; } = "logins";

    /// <summary>Topics to subscribe to. For SQS a topic is a queue; a dead-letter queue is drained by naming it here too.</summary>
    [Required, MinLength(1, ErrorMessage = "Intake:Topics must name at least one topic.")]
    public IReadOnlyList<string> Topics { get; init; } = [];

    /// <summary>Dapr app id of the masking service.</summary>
    [Required(ErrorMessage = "Intake:MaskingAppId must be the app id of the masking service.")]
    [RegularExpression("^[A-Za-z0-9][A-Za-z0-9_.-]*$", ErrorMessage = "Intake:MaskingAppId must be a Dapr app id: letters, digits, '-', '_', '.'.")]
    public string MaskingAppId { get; init; } = "masking";

    /// <summary>Most entries of one delivery. An entry of the SQS component is a batch of messages itself.</summary>
    [Range(1, 10_000, ErrorMessage = "Intake:BulkMaxEntries must be 1 to 10000.")]
    public int BulkMaxEntries { get; init; } = 100;

    /// <summary>How long daprd may wait for a delivery to fill. A component that asks for immediate delivery is not waited for.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "00:01:00", ErrorMessage = "Intake:BulkMaxWait must be 1 ms to 1 min.")]
    public TimeSpan BulkMaxWait { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>Largest delivery taken.</summary>
    /// <value>
    /// 64 MiB by default: 16 MiB of outstanding messages, the component's bound, grow by a third in the component's base64 and by another
    /// third in daprd's, which makes 29 MiB; the rest is for envelopes and for components with a higher bound.
    /// </value>
    [Range(1L << 20, 1L << 30, ErrorMessage = "Intake:MaxBulkBytes must be 1 MiB to 1 GiB.")]
    public long MaxBulkBytes { get; init; } = 64L << 20;

    /// <summary>Largest body of one call to the masking service; a delivery that needs more is split over several.</summary>
    /// <value>3 MiB by default, safely below the 4 MiB that sidecars take (<c>--max-body-size</c>).</value>
    [Range(64 << 10, 1 << 30, ErrorMessage = "Intake:MaxCallBytes must be 64 KiB to 1 GiB.")]
    public int MaxCallBytes { get; init; } = 3 << 20;

    /// <summary>How long one call to the masking service may take before its messages are given back.</summary>
    [Range(typeof(TimeSpan), "00:00:00.100", "00:10:00", ErrorMessage = "Intake:MaskingTimeout must be 100 ms to 10 min.")]
    public TimeSpan MaskingTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a readiness probe waits for the masking service's own answer. daprd gives a probe 500 ms by default.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "00:01:00", ErrorMessage = "Intake:ReadinessWait must be 10 ms to 1 min.")]
    public TimeSpan ReadinessWait { get; init; } = TimeSpan.FromMilliseconds(400);

    /// <summary>How long an answer about the masking service's readiness is taken for current.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "00:01:00", ErrorMessage = "Intake:ReadinessAge must be at most 1 min.")]
    public TimeSpan ReadinessAge { get; init; } = TimeSpan.FromSeconds(1);
}
