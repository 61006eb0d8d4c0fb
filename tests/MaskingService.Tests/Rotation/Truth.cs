using System.Collections.Concurrent;
using Npgsql;
using PiiMasking.Contracts;
using PiiMasking.Testing;

namespace PiiMasking.MaskingService.Tests.Rotation;

/// <summary>What was sent, and whether a reader of the masked table sees it: equal tokens where values are equal, and only there.</summary>
internal sealed class Truth
{
    private readonly ConcurrentDictionary<Guid, (string Ip, string DeviceId)> values = new();
    private readonly ConcurrentDictionary<Guid, bool> stored = new();
    private readonly ConcurrentDictionary<Guid, bool> gone = new();

    /// <summary>How many messages are known to be committed.</summary>
    public int Stored => stored.Count;

    /// <summary>Messages with few distinct values, unless an address is given, on days of this and the last month and on odd ones.</summary>
    public LoginMessage[] Make(Random random, int count, string? ip = null, DateTimeOffset? sentAt = null)
    {
        var now = TimeProvider.System.GetUtcNow();
        return [.. Enumerable.Range(0, count).Select(_ =>
        {
            var at = random.Next(50) switch
            {
                0 => DateTimeOffset.UnixEpoch,
                1 => new DateTimeOffset(2099, 1, 1, 0, 0, 0, TimeSpan.Zero),
                _ => now.AddDays(-random.Next(40)),
            };
            var message = RunningService.Message(
                RunningService.Login(ip ?? $"198.18.{random.Next(3)}.{random.Next(100)}", $"device-{random.Next(300)}", $"user-{random.Next(50)}"),
                sentAt: sentAt ?? at);
            values[message.MessageId] = (message.Login!.Ip.Expose(), message.Login.DeviceId.Expose());
            return message;
        })];
    }

    /// <summary>From here on every reader has to see them.</summary>
    public void AreStored(IEnumerable<LoginMessage> messages)
    {
        foreach (var message in messages)
            stored[message.MessageId] = true;
    }

    /// <summary>From here on a reader may see them or not.</summary>
    public void AreGoing(IEnumerable<LoginMessage> messages)
    {
        foreach (var message in messages)
            stored.TryRemove(message.MessageId, out _);
    }

    /// <summary>From here on no reader may see them.</summary>
    public void AreGone(IEnumerable<LoginMessage> messages)
    {
        AreGoing(messages);
        foreach (var message in messages)
            gone[message.MessageId] = true;
    }

    /// <summary>Takes a row for the copy of another that somebody made by hand.</summary>
    public void IsCopyOf(Guid copy, Guid original)
    {
        values[copy] = values[original];
        stored[copy] = true;
    }

    /// <summary>Reads all of a table or view in one statement and holds it to the truth.</summary>
    /// <returns>The keys that the tokens name: exactly one, unless there are no rows.</returns>
    public async Task<string[]> CheckAsync(TestDatabase database, string from)
    {
        await using var connection = await database.OpenAsync();
        var (expected, unexpected) = (stored.Keys.ToArray(), gone.Keys.ToArray());
        await using var command = new NpgsqlCommand($"SELECT message_id, masked_ip, masked_device_id FROM {from}", connection);
        await using var reader = await command.ExecuteReaderAsync();
        var rows = new Dictionary<Guid, (string Ip, string DeviceId)>();
        while (await reader.ReadAsync())
            Assert.True(rows.TryAdd(reader.GetGuid(0), (reader.GetString(1), reader.GetString(2))), "a login is there twice");

        var missing = expected.Count(id => !rows.ContainsKey(id) && stored.ContainsKey(id));
        Assert.True(missing == 0, $"{missing} logins are missing in {from}");
        Assert.DoesNotContain(unexpected, rows.ContainsKey);
        Check(rows.Select(row => (values[row.Key].Ip, row.Value.Ip)));
        Check(rows.Select(row => (values[row.Key].DeviceId, row.Value.DeviceId)));
        return [.. rows.Values.SelectMany(row => new[] { row.Ip[..6], row.DeviceId[..6] }).Distinct()];

        static void Check(IEnumerable<(string Value, string Token)> pairs)
        {
            var distinct = pairs.Distinct().ToArray();
            Assert.True(distinct.DistinctBy(pair => pair.Value).Count() == distinct.Length, "equal values have different tokens");
            Assert.True(distinct.DistinctBy(pair => pair.Token).Count() == distinct.Length, "different values have equal tokens");
        }
    }
}
