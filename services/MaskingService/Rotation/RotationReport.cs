using System.ComponentModel;
using System.Text.Json.Serialization;
using Npgsql;
using PiiMasking.MaskingService.People;
using PiiMasking.MaskingService.Storage;

namespace PiiMasking.MaskingService.Rotation;

/// <summary>Where the masking keys are.</summary>
internal sealed record RotationReport(
    [property: Description("Id of the key that the table is under; null before the first start")] uint? KeyId,
    [property: Description("The rotation that is under way, else the last one; null if there never was one")] RotationItem? Rotation,
    [property: Description("Why a new primary key does not start a rotation, as a code; null if nothing waits")] string? WaitsFor,
    [property: Description("Running replicas and the masking keys that they know")] IReadOnlyList<ReplicaItem> Replicas)
{
    private static readonly string ReadReplicas = Sql.Load("replicas.sql");

    /// <summary>Reads it.</summary>
    /// <exception cref="NpgsqlException">The database is away.</exception>
    public static async Task<RotationReport> ReadAsync(NpgsqlDataSource database, TimeSpan replicaGoneAfter, CancellationToken cancellation)
    {
        var state = await RotationState.ReadAsync(database, cancellation);
        await using var command = database.CreateCommand(ReadReplicas);
        command.Parameters.Add(new NpgsqlParameter<TimeSpan>("replica_gone_after", replicaGoneAfter));
        await using var reader = await command.ExecuteReaderAsync(cancellation);
        var replicas = new List<ReplicaItem>();
        string? waitsFor = null;
        while (await reader.ReadAsync(cancellation))
        {
            replicas.Add(new ReplicaItem(
                reader.GetGuid(0), reader.GetFieldValue<DateTimeOffset>(1), checked((uint)reader.GetInt64(2)),
                Array.ConvertAll(reader.GetFieldValue<long[]>(3), id => checked((uint)id))));
            waitsFor ??= await reader.IsDBNullAsync(4, cancellation) ? null : reader.GetString(4);
        }

        return new RotationReport(state?.KeyId, state?.Last is { } last ? RotationItem.Of(last) : null, waitsFor, replicas);
    }
}

/// <summary>One rotation.</summary>
internal sealed record RotationItem(
    long Number, uint FromKeyId, uint ToKeyId,
    [property: Description("copying, settling (waits for its moment), cleaning, done or abandoned")] string Phase,
    bool Paused,
    [property: Description("Logins copied so far")] long Copied,
    [property: Description("Logins to copy, about")] long Total,
    double Percent, DateTimeOffset StartedAt,
    [property: Description("If it goes on as it went so far")] DateTimeOffset? ExpectedEndAt,
    [property: Description("Since when the table is under the new key")] DateTimeOffset? SwappedAt,
    DateTimeOffset? EndedAt)
{
    public static RotationItem Of(Rotation rotation) => new(
        rotation.Number, rotation.FromKeyId, rotation.ToKeyId, rotation.Phase, rotation.IsPaused, rotation.Copied, rotation.Total,
        Math.Round(rotation.Progress * 100, 1), rotation.StartedAt, rotation.ExpectedEndAt, rotation.SwappedAt, rotation.EndedAt);
}

/// <summary>One replica.</summary>
internal sealed record ReplicaItem(Guid ReplicaId, DateTimeOffset SeenAt, uint PrimaryKeyId, IReadOnlyList<uint> KeyIds);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(RotationReport))]
internal sealed partial class RotationJson : JsonSerializerContext
{
    /// <summary>For answers.</summary>
    public static RotationJson Answers => field ??= new(PeopleJson.Readable(Default.Options));
}
