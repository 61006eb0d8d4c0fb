namespace PiiMasking.Sidecar;

/// <summary>Why the sidecar does not start, in one line that names the thing and the remedy.</summary>
internal sealed class StartupException(string message) : Exception(message);
