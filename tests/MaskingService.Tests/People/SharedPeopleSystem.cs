namespace PiiMasking.MaskingService.Tests.People;

/// <summary>One running service for the tests of a class; each test is somebody else (<see cref="BearerToken.As"/>).</summary>
public sealed class SharedPeopleSystem(MigratedDatabases databases) : IAsyncLifetime
{
    private PeopleSystem? system;

    internal PeopleSystem System => system ?? throw new InvalidOperationException("The fixture has not been initialised.");

    /// <inheritdoc />
    public async ValueTask InitializeAsync() => system = await PeopleSystem.StartAsync(databases);

    /// <inheritdoc />
    public ValueTask DisposeAsync() => System.DisposeAsync();
}
