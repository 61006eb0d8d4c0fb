namespace PiiMasking.AppHost.Tests;

/// <summary>Tests that take the ports of dapr.yaml or of the local database, and so run one after another.</summary>
[CollectionDefinition(Name)]
public static class FixedPorts
{
    public const string Name = "fixed ports";
}
