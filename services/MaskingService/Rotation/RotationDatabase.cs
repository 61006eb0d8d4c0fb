using Npgsql;

namespace PiiMasking.MaskingService.Rotation;

/// <summary>
/// The database as pii_rotator sees it, which reads every token: <c>ConnectionStrings:Rotation</c>, else the login of people's requests,
/// which must then be a member of pii_rotator as well.
/// </summary>
internal sealed class RotationDatabase(NpgsqlDataSource source) : IAsyncDisposable
{
    public NpgsqlDataSource Source => source;

    /// <inheritdoc />
    public ValueTask DisposeAsync() => source.DisposeAsync();
}
