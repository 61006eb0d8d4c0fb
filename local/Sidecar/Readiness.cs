using System.Collections.Concurrent;

namespace PiiMasking.Sidecar;

/// <summary>How far the start has come, and what was set by PUT /v1.0/metadata.</summary>
internal sealed class Readiness
{
    private volatile bool isOutboundReady;
    private volatile bool isReady;

    /// <summary>Components and API are up; the app may not be.</summary>
    public bool IsOutboundReady
    {
        get => isOutboundReady;
        set => isOutboundReady = value;
    }

    /// <summary>The app's port has been found too.</summary>
    public bool IsReady
    {
        get => isReady;
        set => isReady = value;
    }

    public ConcurrentDictionary<string, string> Extended { get; } =
        new(StringComparer.Ordinal) { ["daprRuntimeVersion"] = SidecarOptions.Version };
}
