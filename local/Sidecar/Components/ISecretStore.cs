namespace PiiMasking.Sidecar.Components;

/// <summary>A secret store. Both kinds hold their secrets in memory, so nothing here waits.</summary>
internal interface ISecretStore
{
    IReadOnlyCollection<string> Features { get; }

    /// <returns>Null if there is no such secret, which is an error in every store.</returns>
    IReadOnlyDictionary<string, string>? Get(string name);

    IReadOnlyDictionary<string, IReadOnlyDictionary<string, string>> GetAll();
}
