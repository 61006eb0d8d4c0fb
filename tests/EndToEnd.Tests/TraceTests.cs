using PiiMasking.AppHost;
using PiiMasking.Testing;

namespace PiiMasking.EndToEnd.Tests;

/// <summary>One trace from the queue to the row, across both sidecars.</summary>
public sealed class TraceTests(RunningSystem running)
{
    [Fact]
    public async Task A_login_has_one_trace_from_its_producer_through_component_ingestion_and_masking_to_Postgres()
    {
        var login = new TracedLogin(running.System, running.Spans, TimeProvider.System);
        var canary = A.Login(ip: "198.51.100.77", deviceId: "777-77-7777");

        var spans = await login.SendAsync(canary, TestContext.Current.CancellationToken);

        // From the statement up to the producer: each parent is there, and they are these.
        var path = new List<(string Service, string Name)>();
        for (var at = spans.First(span => span.Library == "Npgsql").ParentId; at != login.ProducerId;)
        {
            var span = Assert.Single(spans, span => span.Id == at);
            path.Add((span.Service, span.Name));
            at = span.ParentId;
        }

        Assert.Equal(
            [
                ("MaskingService", "store logins"),
                ("MaskingService", "POST /v1/logins"),
                ("IngestionService", "POST"),
                ("IngestionService", "take logins"),
                ("SqsComponent", "deliver login-queue"),
            ],
            path);
        Assert.All(login.Describe(spans), line =>
        {
            Assert.DoesNotContain("198.51.100.77", line, StringComparison.Ordinal);
            Assert.DoesNotContain("777-77-7777", line, StringComparison.Ordinal);
        });
    }
}
