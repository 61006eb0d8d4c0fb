using PiiMasking.Backing;

namespace PiiMasking.AppHost;

/// <summary>What <c>--sidecar</c> takes.</summary>
internal enum SidecarChoice
{
    /// <summary>daprd if it is on the PATH, else the stand-in.</summary>
    Auto,

    /// <summary>The real one.</summary>
    Daprd,

    /// <summary>The stand-in in local/Sidecar.</summary>
    Local,
}

/// <summary>A sidecar program and the arguments that come before those both kinds understand.</summary>
/// <param name="Description">What it is, for the user.</param>
/// <param name="Program">Full path.</param>
/// <param name="Arguments">Put in front of the sidecar's flags.</param>
internal sealed record SidecarProgram(string Description, string Program, IReadOnlyList<string> Arguments)
{
    /// <exception cref="BackingException">daprd was asked for and is not there.</exception>
    public static SidecarProgram Choose(SidecarChoice choice) => (choice, Programs.Find("daprd")) switch
    {
        (SidecarChoice.Auto or SidecarChoice.Daprd, { } daprd) => new SidecarProgram("daprd", daprd, []),
        (SidecarChoice.Daprd, null) => throw new BackingException(
            "daprd is not on the PATH: install it (https://docs.dapr.io), add its folder (usually ~/.dapr/bin) to the PATH, or use --sidecar local."),
        _ => new SidecarProgram("stand-in for daprd (local/Sidecar)", DotnetProgram.Dotnet, [DotnetProgram.Assembly("Sidecar")]),
    };
}
