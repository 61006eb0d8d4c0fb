using System.Collections.Concurrent;

[assembly: AssemblyFixture(typeof(PiiMasking.Conformance.Tests.ConformingSystems))]

// One test after the other: they kill parts of a system that others of them use.
[assembly: CollectionBehavior(CollectionBehavior.CollectionPerAssembly)]

namespace PiiMasking.Conformance.Tests;

/// <summary>A running system for each set, started by the first test that asks for it.</summary>
public sealed class ConformingSystems : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, Lazy<Task<ConformingSystem>>> systems = new();

    internal Task<ConformingSystem> OfAsync(string set) =>
        systems.GetOrAdd(set, name => new(() => ConformingSystem.StartAsync(ComponentSet.Read(name), CancellationToken.None))).Value;

    public async ValueTask DisposeAsync()
    {
        foreach (var system in systems.Values.Select(system => system.Value).Where(system => system.IsCompletedSuccessfully))
            await (await system).DisposeAsync();
    }
}
