using System.ComponentModel.DataAnnotations;

namespace PiiMasking.SqsComponent.Watchdog;

/// <summary>When and where to ask the sidecar to restart. Bound from "Watchdog".</summary>
internal sealed class WatchdogOptions
{
    /// <summary>Address of the sidecar's HTTP API, such as http://127.0.0.1:3500. Without it there is no watchdog.</summary>
    public Uri? SidecarUrl { get; init; }

    /// <summary>
    /// What answers 2xx when the app can take messages, such as http://127.0.0.1:5101/readyz. Without it a broken stream is
    /// not acted on: a sidecar rightly keeps none while its app is unwell.
    /// </summary>
    public Uri? AppReadyUrl { get; init; }

    /// <summary>How long something has to be wrong, and how long to wait between two requests.</summary>
    /// <value>30 seconds by default.</value>
    [Range(typeof(TimeSpan), "00:00:01", "01:00:00")]
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(30);
}
