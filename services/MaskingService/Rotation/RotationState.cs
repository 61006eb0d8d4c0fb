using Npgsql;
using PiiMasking.MaskingService.Storage;

namespace PiiMasking.MaskingService.Rotation;

/// <summary>How far a rotation is.</summary>
internal static class RotationPhase
{
    /// <summary>Logins are copied into the shadow.</summary>
    public const string Copying = "copying";

    /// <summary>All are copied; it waits for its moment.</summary>
    public const string Settling = "settling";

    /// <summary>The table is under the new key; what is left of the old one is removed.</summary>
    public const string Cleaning = "cleaning";

    /// <summary>Nothing is under the old key.</summary>
    public const string Done = "done";

    /// <summary>Given up on somebody's word; the table is under the old key.</summary>
    public const string Abandoned = "abandoned";
}

/// <summary>A rotation of the masking key, as the database has it.</summary>
/// <param name="Number">Counts them.</param>
/// <param name="FromKeyId">The key that the table was under at its beginning.</param>
/// <param name="ToKeyId">The key that it is under at its end.</param>
/// <param name="Phase">One of <see cref="RotationPhase"/>.</param>
/// <param name="IsPaused">It stands still on somebody's word.</param>
/// <param name="MayRestart">False if it was abandoned: the key starts no other one by itself.</param>
/// <param name="StartedAt">When it began.</param>
/// <param name="Copied">Logins copied so far, those left out that came in since.</param>
/// <param name="Total">How many there are to copy: an estimate.</param>
/// <param name="Seconds">Spent copying.</param>
/// <param name="SwappedAt">Since when readers see the new key.</param>
/// <param name="EndedAt">When it was done or abandoned.</param>
/// <param name="ReadAt">When this was read, by the database's clock.</param>
internal sealed record Rotation(
    long Number, uint FromKeyId, uint ToKeyId, string Phase, bool IsPaused, bool MayRestart, DateTimeOffset StartedAt, long Copied, long Total,
    double Seconds, DateTimeOffset? SwappedAt, DateTimeOffset? EndedAt, DateTimeOffset ReadAt)
{
    /// <summary>Whether it is under way.</summary>
    public bool IsRunning => EndedAt is null;

    /// <summary>How much is copied, 0 to 1; below 1 until the swap.</summary>
    public double Progress => SwappedAt is not null ? 1
        : Phase == RotationPhase.Settling ? 0.99
        : Total <= 0 ? 0 : Math.Min(0.99, (double)Copied / Total);

    /// <summary>When it will be through, if it goes on as it went so far; null if that cannot be said.</summary>
    public DateTimeOffset? ExpectedEndAt => Phase != RotationPhase.Copying || IsPaused || Copied <= 0 || Seconds <= 0 ? null
        : ReadAt.AddSeconds(Math.Max(0, Total - Copied) * Seconds / Copied);
}

/// <summary>Where the keys are.</summary>
/// <param name="KeyId">The key that the table is under.</param>
/// <param name="Last">The rotation that is under way, else the last one; null if there never was one.</param>
internal sealed record RotationState(uint KeyId, Rotation? Last)
{
    private static readonly string Text = Sql.Load("rotation_state.sql");

    /// <summary>The rotation that is under way.</summary>
    public Rotation? Running => Last is { IsRunning: true } ? Last : null;

    /// <returns>Null if no keyset has claimed the database yet.</returns>
    public static async Task<RotationState?> ReadAsync(NpgsqlDataSource database, CancellationToken cancellation)
    {
        await using var command = database.CreateCommand(Text);
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        if (!await reader.ReadAsync(cancellation))
            return null;
        var keyId = checked((uint)reader.GetInt64(0));
        if (await reader.IsDBNullAsync(1, cancellation))
            return new RotationState(keyId, null);
        return new RotationState(keyId, new Rotation(
            reader.GetInt64(1), checked((uint)reader.GetInt64(2)), checked((uint)reader.GetInt64(3)), reader.GetString(4), reader.GetBoolean(5),
            reader.GetBoolean(6), reader.GetFieldValue<DateTimeOffset>(7), reader.GetInt64(8), reader.GetInt64(9), reader.GetDouble(10),
            await reader.IsDBNullAsync(11, cancellation) ? null : reader.GetFieldValue<DateTimeOffset>(11),
            await reader.IsDBNullAsync(12, cancellation) ? null : reader.GetFieldValue<DateTimeOffset>(12),
            reader.GetFieldValue<DateTimeOffset>(13)));
    }
}
