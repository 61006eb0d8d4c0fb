using Npgsql;

namespace PiiMasking.MaskingService.People;

/// <summary>
/// The database as pii_people sees it: connections of their own, so that people cannot use up the writer's, and, where the operator gives
/// them a login of their own, rights that the writer does not have.
/// </summary>
internal sealed class PeopleDatabase(NpgsqlDataSource source) : IAsyncDisposable
{
    public NpgsqlDataSource Source => source;

    /// <inheritdoc />
    public ValueTask DisposeAsync() => source.DisposeAsync();
}
