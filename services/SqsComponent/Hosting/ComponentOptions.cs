using System.ComponentModel.DataAnnotations;

namespace PiiMasking.SqsComponent.Hosting;

/// <summary>The process around the component. Bound from "Component".</summary>
internal sealed class ComponentOptions
{
    /// <summary>Address of a plain HTTP listener with GET /healthz and /counters, such as http://127.0.0.1:5104; none by default.</summary>
    public Uri? AdminUrl { get; init; }

    /// <summary>
    /// How long a stop may take: most of it is for answers to messages that are with the sidecar, the rest for giving
    /// everything unfinished back.
    /// </summary>
    /// <value>25 seconds by default, within the 30 that Kubernetes allows.</value>
    [Range(typeof(TimeSpan), "00:00:01", "01:00:00")]
    public TimeSpan StopWithin { get; init; } = TimeSpan.FromSeconds(25);
}
