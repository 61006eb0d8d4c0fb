using System.Text;
using System.Text.Json;
using Amazon.Runtime;
using Amazon.SQS;
using Amazon.SQS.Model;
using Npgsql;
using PiiMasking.AppHost;
using PiiMasking.Backing;
using PiiMasking.Testing;

namespace PiiMasking.EndToEnd.Tests;

/// <summary>The corpus of odd and hostile messages, through the real queue: each ends as a row or in quarantine, and harms nobody.</summary>
public sealed class HostileMessagesTests(RunningSystem running)
{
    [Fact]
    public async Task Each_is_stored_or_in_quarantine_for_its_reason_and_every_neighbour_is_stored()
    {
        var crashes = running.Said.Count;
        var sent = new Dictionary<Guid, HostileBody>();
        var neighbours = new List<Guid>();
        using var queue = new AmazonSQSClient(
            new BasicAWSCredentials("test", "test"),
            new AmazonSQSConfig { ServiceURL = running.System.QueueEndpoint.ToString(), AuthenticationRegion = SqsEmulator.Region });
        var url = (await queue.GetQueueUrlAsync(LoginQueue.Name)).QueueUrl;
        foreach (var hostile in HostileBody.All.Chunk(5))
        {
            var entries = hostile.SelectMany((body, index) => new[] { Entry($"{index}", body), new($"n{index}", A.Login()) }).ToList();
            var answer = await queue.SendMessageBatchAsync(url, entries);
            Assert.True(answer.Failed is null or [], string.Join(", ", (answer.Failed ?? []).Select(failed => failed.Message)));
            foreach (var entry in answer.Successful)
            {
                if (entry.Id[0] == 'n')
                    neighbours.Add(Guid.Parse(entry.MessageId));
                else
                    sent.Add(Guid.Parse(entry.MessageId), hostile[entry.Id[0] - '0']);
            }
        }

        await Eventually.EqualsAsync(
            "what is in the queues", default(LoginQueueDepth), () => running.System.Queue.DepthAsync(default), TimeSpan.FromMinutes(1));

        var (rows, reasons) = (await RowsAsync(), await ReasonsAsync());
        Assert.All(neighbours, id => Assert.Contains(id, rows));
        var wrong = sent
            .Select(message => (message.Value, Is: reasons.GetValueOrDefault(message.Key) ?? (rows.ContainsKey(message.Key) ? "stored" : "lost")))
            .Where(message => message.Is != message.Value.Expect)
            .Select(message => $"{message.Value}: {message.Is}, not {message.Value.Expect}")
            .ToArray();
        Assert.True(wrong is [], string.Join('\n', wrong));
        Assert.All(sent.Where(message => message.Value.IsStored), message => AssertBecame(message.Value, rows[message.Key]));
        Assert.Equal(crashes, running.Said.Count);
    }

    private static SendMessageBatchRequestEntry Entry(string id, HostileBody body)
    {
        var attributes = body.IsText ? body.Attributes : new Dictionary<string, string> { ["dapr-body-encoding"] = "base64" };
        return new SendMessageBatchRequestEntry(id, body.IsText ? Encoding.UTF8.GetString(body.Body) : Convert.ToBase64String(body.Body))
        {
            MessageAttributes = attributes.ToDictionary(
                attribute => attribute.Key, attribute => new MessageAttributeValue { DataType = "String", StringValue = attribute.Value }),
        };
    }

    private static void AssertBecame(HostileBody body, Dictionary<string, string?> row)
    {
        foreach (var (member, value) in body.Becomes.Where(member => row.ContainsKey(member.Key)))
            Assert.Equal((body.Name, member, value.ValueKind is JsonValueKind.Null ? null : value.ToString()), (body.Name, member, row[member]));
    }

    private async Task<Dictionary<Guid, Dictionary<string, string?>>> RowsAsync()
    {
        var rows = new Dictionary<Guid, Dictionary<string, string?>>();
        await foreach (var reader in ReadAsync("SELECT message_id, user_id, device_type, locale, app_version::text FROM user_logins"))
        {
            rows.Add(reader.GetGuid(0), new()
            {
                ["user_id"] = reader.GetString(1),
                ["device_type"] = reader.IsDBNull(2) ? null : reader.GetString(2),
                ["locale"] = reader.IsDBNull(3) ? null : reader.GetString(3),
                ["app_version"] = reader.IsDBNull(4) ? null : reader.GetString(4),
            });
        }

        return rows;
    }

    private async Task<Dictionary<Guid, string>> ReasonsAsync()
    {
        var reasons = new Dictionary<Guid, string>();
        await foreach (var reader in ReadAsync("SELECT message_id, reason FROM quarantine"))
            reasons.Add(reader.GetGuid(0), reader.GetString(1));
        return reasons;
    }

    private async IAsyncEnumerable<NpgsqlDataReader> ReadAsync(string sql)
    {
        await using var connection = new NpgsqlConnection(running.System.Database.OwnerConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
            yield return reader;
    }
}
