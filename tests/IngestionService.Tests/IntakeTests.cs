using System.Net;
using System.Text;
using Microsoft.AspNetCore.Http;
using PiiMasking.Contracts;
using PiiMasking.Testing;

namespace PiiMasking.IngestionService.Tests;

public class IntakeTests
{
    private static readonly string[] Success = ["SUCCESS"];

    [Fact]
    public async Task A_delivery_is_one_call_and_every_durable_entry_is_acknowledged()
    {
        await using var ingestion = await RunningIngestion.StartAsync("--DAPR_API_TOKEN=sidecar-token");
        var id = Guid.NewGuid();

        var statuses = await ingestion.DeliverAsync(
            Entry.Batch("a", (id, Encoding.UTF8.GetBytes(A.Login(userId: "u-1", ip: "::ffff:198.18.0.7")))),
            Entry.Batch("b", A.Login(), A.WrongMessage(), A.Login()),
            Entry.Bare("c", A.Login()));

        Assert.Equal(["a", "b", "c"], statuses.Keys);
        Assert.Equal(Success, statuses.Values.Distinct());
        var call = Assert.Single(ingestion.Sidecar.Calls);
        Assert.Equal(5, call.Batch.Messages.Count);
        Assert.Equal(id, call.Batch.Messages[0].MessageId);
        Assert.Equal(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero), call.Batch.Messages[0].SentAt);
        Assert.Equal("u-1", call.Batch.Messages[0].Login!.UserId);
        Assert.Equal("198.18.0.7", call.Batch.Messages[0].Login!.Ip.Expose());
        Assert.Equal("user_id_missing", call.Batch.Messages[2].Rejection!.Reason);
        Assert.Equal(A.WrongMessage(), Encoding.UTF8.GetString(call.Batch.Messages[2].Rejection!.Payload.Span));
        Assert.Equal([], call.Batch.Messages[2].Rejection!.UserIds!);
        Assert.Equal(call.Bytes, call.ContentLength);   // Dapr retries no call without
        Assert.Equal("sidecar-token", call.ApiToken);
    }

    [Theory]
    [InlineData(LoginOutcome.Stored, "SUCCESS")]
    [InlineData(LoginOutcome.Repeated, "SUCCESS")]
    [InlineData(LoginOutcome.Quarantined, "SUCCESS")]
    [InlineData(LoginOutcome.Erased, "SUCCESS")]
    [InlineData(LoginOutcome.Retry, "RETRY")]
    [InlineData((LoginOutcome)99, "RETRY")]
    public async Task Only_what_is_durable_is_acknowledged(LoginOutcome outcome, string status)
    {
        await using var ingestion = await RunningIngestion.StartAsync();
        ingestion.Sidecar.Decide = _ => outcome;

        Assert.Equal(status, (await ingestion.DeliverAsync(Entry.Batch("a", A.Login())))["a"]);
    }

    [Fact]
    public async Task One_message_that_is_not_durable_brings_back_its_entry_and_no_other()
    {
        await using var ingestion = await RunningIngestion.StartAsync();
        ingestion.Sidecar.Decide = message => message.Login?.UserId == "slow" ? LoginOutcome.Retry : LoginOutcome.Stored;

        var statuses = await ingestion.DeliverAsync(
            Entry.Batch("a", A.Login()), Entry.Batch("b", A.Login(), A.Login(userId: "slow")), Entry.Batch("c", A.Login()));

        Assert.Equal(["SUCCESS", "RETRY", "SUCCESS"], [statuses["a"], statuses["b"], statuses["c"]]);
    }

    [Fact]
    public async Task What_the_database_refuses_goes_to_the_quarantine_with_its_exact_bytes()
    {
        await using var ingestion = await RunningIngestion.StartAsync();
        ingestion.Sidecar.Decide = message => message.Login is null ? LoginOutcome.Quarantined
            : message.Login.UserId == "odd" ? LoginOutcome.Refused : LoginOutcome.Stored;
        var odd = "  " + A.Login(userId: "odd");

        var statuses = await ingestion.DeliverAsync(Entry.Batch("a", A.Login(), odd, A.Login()));

        Assert.Equal("SUCCESS", statuses["a"]);
        var calls = ingestion.Sidecar.Calls.ToArray();
        Assert.Equal(2, calls.Length);
        var again = Assert.Single(calls[1].Batch.Messages);
        Assert.Equal(calls[0].Batch.Messages[1].MessageId, again.MessageId);
        Assert.Null(again.Login);
        Assert.Equal("refused_by_storage", again.Rejection!.Reason);
        Assert.Equal(odd, Encoding.UTF8.GetString(again.Rejection.Payload.Span));
        Assert.Equal(["odd"], again.Rejection.UserIds);
    }

    [Theory]
    [InlineData(LoginOutcome.Quarantined, "SUCCESS")]
    [InlineData(LoginOutcome.Repeated, "SUCCESS")]
    [InlineData(LoginOutcome.Erased, "SUCCESS")]
    [InlineData(LoginOutcome.Retry, "RETRY")]
    [InlineData(LoginOutcome.Refused, "RETRY")]
    [InlineData(LoginOutcome.Stored, "RETRY")]
    public async Task A_refused_message_is_acknowledged_only_once_it_is_in_the_quarantine(LoginOutcome second, string status)
    {
        await using var ingestion = await RunningIngestion.StartAsync();
        ingestion.Sidecar.Decide = message => message.Login is null ? second : LoginOutcome.Refused;

        Assert.Equal(status, (await ingestion.DeliverAsync(Entry.Batch("a", A.Login())))["a"]);
        Assert.Equal(2, ingestion.Sidecar.Calls.Count);
    }

    [Theory]
    [InlineData(500)]
    [InlineData(503)]
    [InlineData(404)]
    [InlineData(403)]
    [InlineData(401)]
    [InlineData(302)]
    public async Task While_masking_is_away_everything_comes_back_and_no_further_call_is_tried(int status)
    {
        await using var ingestion = await RunningIngestion.StartAsync("--Intake:MaxCallBytes=65536");
        ingestion.Sidecar.Answer = context =>
        {
            context.Response.StatusCode = status;
            return context.Response.WriteAsJsonAsync(new { errorCode = "ERR_DIRECT_INVOKE" });
        };

        var statuses = await ingestion.DeliverAsync(Entry.Batch("a", Junk(40_000)), Entry.Batch("b", Junk(40_000)), Entry.Batch("c", A.Login()));

        Assert.Equal(["RETRY", "RETRY", "RETRY"], statuses.Values);
        Assert.Single(ingestion.Sidecar.Calls);
    }

    [Theory]
    [InlineData(400)]
    [InlineData(413)]
    public async Task A_call_that_is_refused_for_what_it_is_holds_up_no_other(int status)
    {
        await using var ingestion = await RunningIngestion.StartAsync("--Intake:MaxCallBytes=65536");
        ingestion.Sidecar.Answer = context =>
        {
            if (ingestion.Sidecar.Calls.Count == 1)
            {
                context.Response.StatusCode = status;
                return Task.CompletedTask;
            }

            return context.Response.WriteAsync("""{"outcomes":["quarantined"]}""");
        };

        var statuses = await ingestion.DeliverAsync(Entry.Batch("a", Junk(40_000)), Entry.Batch("b", Junk(40_000)));

        Assert.Equal(["RETRY", "SUCCESS"], [statuses["a"], statuses["b"]]);
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("not json, canary-7f3a")]
    [InlineData("{\"outcomes\":null}")]
    [InlineData("{\"outcomes\":[\"stored\"]}")]
    [InlineData("{\"outcomes\":[\"stored\",\"stored\",\"stored\"]}")]
    [InlineData("{\"outcomes\":[\"stored\",\"canary-7f3a\"]}")]
    [InlineData("{\"outcomes\":[\"stored\",null]}")]
    public async Task An_answer_that_does_not_match_the_messages_acknowledges_none(string answer)
    {
        await using var ingestion = await RunningIngestion.StartAsync();
        ingestion.Sidecar.Answer = context => context.Response.WriteAsync(answer);

        var statuses = await ingestion.DeliverAsync(Entry.Batch("a", A.Login()), Entry.Batch("b", A.Login()));

        Assert.Equal(["RETRY", "RETRY"], statuses.Values);
        Assert.Contains(ingestion.Logs.Lines, line => line.Level == Microsoft.Extensions.Logging.LogLevel.Error);
        Assert.DoesNotContain("canary-7f3a", ingestion.Logs.Everything);
    }

    [Fact]
    public async Task A_masking_service_that_does_not_answer_in_time_brings_everything_back()
    {
        await using var ingestion = await RunningIngestion.StartAsync("--Intake:MaskingTimeout=00:00:00.200");
        ingestion.Sidecar.Answer = context => Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);

        Assert.Equal("RETRY", (await ingestion.DeliverAsync(Entry.Batch("a", A.Login())))["a"]);
    }

    [Fact]
    public async Task An_answer_that_breaks_off_brings_everything_back()
    {
        await using var ingestion = await RunningIngestion.StartAsync();
        ingestion.Sidecar.Answer = async context =>
        {
            context.Response.ContentLength = 1_000;
            await context.Response.WriteAsync("""{"outcomes":["stored"]""");
            await context.Response.Body.FlushAsync();
            context.Abort();
        };

        Assert.Equal("RETRY", (await ingestion.DeliverAsync(Entry.Batch("a", A.Login())))["a"]);
    }

    [Fact]
    public async Task Messages_with_one_id_are_all_sent_and_answered_each_by_its_place()
    {
        await using var ingestion = await RunningIngestion.StartAsync();
        var id = Guid.NewGuid();
        var sent = 0;
        ingestion.Sidecar.Decide = _ => sent++ == 0 ? LoginOutcome.Stored : LoginOutcome.Retry;

        var statuses = await ingestion.DeliverAsync(
            Entry.Batch("a", (id, Encoding.UTF8.GetBytes(A.Login()))), Entry.Batch("b", (id, Encoding.UTF8.GetBytes(A.Login()))));

        Assert.Equal(["SUCCESS", "RETRY"], [statuses["a"], statuses["b"]]);
        Assert.Equal([id, id], Assert.Single(ingestion.Sidecar.Calls).Batch.Messages.Select(message => message.MessageId));
    }

    [Fact]
    public async Task Without_a_sidecar_everything_comes_back()
    {
        await using var ingestion = await RunningIngestion.StartAsync();
        await ingestion.Sidecar.DisposeAsync();

        Assert.Equal("RETRY", (await ingestion.DeliverAsync(Entry.Batch("a", A.Login())))["a"]);
        using var ready = await ingestion.Http.GetAsync("/readyz");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
        Assert.Contains("the sidecar does not answer", await ready.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task A_delivery_of_large_messages_is_split_below_the_sidecars_body_limit_and_answered_as_one()
    {
        await using var ingestion = await RunningIngestion.StartAsync();
        ingestion.Sidecar.Decide = message => message.Login?.UserId == "last" ? LoginOutcome.Retry
            : message.Login is null ? LoginOutcome.Quarantined : LoginOutcome.Stored;
        var entries = Enumerable.Range(0, 12)
            .Select(number => Entry.Batch($"e{number}", Junk(1 << 20), A.Login(userId: number == 11 ? "last" : null)))
            .ToArray();

        var statuses = await ingestion.DeliverAsync(entries);

        Assert.Equal(11, statuses.Values.Count(status => status == "SUCCESS"));
        Assert.Equal("RETRY", statuses["e11"]);
        Assert.Equal(24, ingestion.Sidecar.Calls.Sum(call => call.Batch.Messages.Count));
        Assert.All(ingestion.Sidecar.Calls, call => Assert.InRange(call.Bytes, 1, 3 << 20));
        Assert.InRange(ingestion.Sidecar.Calls.Count, 6, 7);
    }

    [Fact]
    public async Task A_batch_is_never_larger_than_the_contract_allows()
    {
        await using var ingestion = await RunningIngestion.StartAsync("--Intake:MaxCallBytes=100000000");
        var many = Enumerable.Repeat("{}", LoginBatch.MaxMessages - 1).ToArray();

        var statuses = await ingestion.DeliverAsync(Entry.Batch("a", many), Entry.Batch("b", A.Login(), A.Login()));

        Assert.Equal(Success, statuses.Values.Distinct());
        Assert.Equal([LoginBatch.MaxMessages, 1], ingestion.Sidecar.Calls.Select(call => call.Batch.Messages.Count));
    }

    [Fact]
    public async Task A_message_too_large_for_any_call_is_named_and_kept_and_its_neighbours_go_on()
    {
        await using var ingestion = await RunningIngestion.StartAsync("--Intake:MaxCallBytes=65536");
        var id = Guid.NewGuid();

        var statuses = await ingestion.DeliverAsync(
            Entry.Batch("a", A.Login()), Entry.Batch("b", (id, Encoding.UTF8.GetBytes(Junk(60_000)))), Entry.Batch("c", A.Login()));

        Assert.Equal(["SUCCESS", "RETRY", "SUCCESS"], [statuses["a"], statuses["b"], statuses["c"]]);
        Assert.Contains(id.ToString(), ingestion.Logs.Everything);
    }

    [Fact]
    public async Task A_large_delivery_within_the_limit_is_taken_and_one_beyond_is_refused()
    {
        await using var ingestion = await RunningIngestion.StartAsync("--Intake:MaxBulkBytes=4194304");

        Assert.Equal("SUCCESS", (await ingestion.DeliverAsync(Entry.Bare("a", A.Login(with: login => login["note"] = new string('x', 2 << 20)))))["a"]);
        using var refused = await ingestion.PostAsync(RunningIngestion.Body(Entry.Bare("a", Junk(4 << 20))), askFirst: true);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, refused.StatusCode);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("{\"entries\":{}}")]
    [InlineData("{\"entries\":[")]
    [InlineData("{\"entries\":[]}x")]
    [InlineData("canary-7f3a")]
    public async Task What_is_no_bulk_delivery_is_given_back_as_a_whole(string body)
    {
        await using var ingestion = await RunningIngestion.StartAsync();

        using var response = await ingestion.PostAsync(body);

        Assert.Equal(HttpStatusCode.BadRequest, response.StatusCode);
        Assert.DoesNotContain("canary", await response.Content.ReadAsStringAsync());
        Assert.Empty(ingestion.Sidecar.Calls);
    }

    [Fact]
    public async Task An_empty_delivery_is_answered_and_not_with_nothing()
    {
        await using var ingestion = await RunningIngestion.StartAsync();

        using var response = await ingestion.PostAsync("""{"entries":[]}""");

        Assert.Equal("""{"statuses":[]}""", await response.Content.ReadAsStringAsync());
        Assert.Empty(ingestion.Sidecar.Calls);
    }

    [Fact]
    public async Task Odd_entries_are_quarantined_or_kept_and_cost_their_neighbours_nothing()
    {
        await using var ingestion = await RunningIngestion.StartAsync();
        var good = Convert.ToBase64String(Encoding.UTF8.GetBytes(A.Login()));

        using var response = await ingestion.PostAsync(
            $$"""
            {"extra":[[1]],"entries":[
              {"entryId":"1","event":"{{good}}","metadata":null,"contentType":null},
              {"entryId":"2"},
              {"entryId":"3","event":null,"metadata":{"a":null,"b":[1],"c":"d","e":"\ud800","\udfff":"f"},"contentType":7},
              {"entryId":"4","event":{{A.Login()}} },
              {"entryId":"5","event":"not base64!"},
              {"event":"{{good}}"}, 7, null, {"entryId":"\ud800","event":"{{good}}"},
              {"entryId":"6","event":{{new string('[', 2000)}}{{new string(']', 2000)}} },
              {"entryId":"7","event":"{{good}}","unknown":{"x":1} }
            ],"topic":5}
            """);

        var answer = await response.Content.ReadAsStringAsync();
        Assert.All("1234567", id => Assert.Contains($"\"entryId\":\"{id}\",\"status\":\"SUCCESS\"", answer));
        Assert.Equal(
            [null, "not_json", "not_an_object", null, "not_json", "not_json", null],
            Assert.Single(ingestion.Sidecar.Calls).Batch.Messages.Select(message => message.Rejection?.Reason));
    }

    [Fact]
    public async Task A_stop_waits_for_the_delivery_in_work()
    {
        await using var ingestion = await RunningIngestion.StartAsync();
        var arrived = new TaskCompletionSource();
        var goOn = new TaskCompletionSource();
        ingestion.Sidecar.Answer = async context =>
        {
            arrived.SetResult();
            await goOn.Task;
            await context.Response.WriteAsync("""{"outcomes":["stored"]}""");
        };

        var delivery = ingestion.DeliverAsync(Entry.Batch("a", A.Login()));
        await arrived.Task;
        var stop = ingestion.StopAsync();
        Assert.False(stop.IsCompleted);
        goOn.SetResult();

        Assert.Equal("SUCCESS", (await delivery)["a"]);
        await stop;
    }

    [Fact]
    public async Task No_value_of_any_message_is_logged_at_any_level_or_answered()
    {
        const string canary = "canary-7f3a";
        await using var ingestion = await RunningIngestion.StartAsync();
        ingestion.Sidecar.Decide = message => message.Login is null ? LoginOutcome.Retry : LoginOutcome.Refused;
        string[] bodies =
        [
            A.Login(ip: canary), A.Login(deviceId: canary), A.Login(userId: canary), A.Login(appVersion: canary), A.Login(locale: canary),
            A.Login(with: login => login[canary] = canary), canary, $"\"{canary}", $"{{\"{canary}\":}}", $"[\"{canary}\"]",
            A.Login(ip: "198.18.77.77", deviceId: canary, userId: canary), $"{{\"ip\":\"{canary}\",\"ip\":1}}",
        ];

        var answers = await ingestion.DeliverAsync(
            [Entry.Batch("batch", bodies), .. bodies.Select((body, number) => Entry.Bare($"bare{number}", body)), new Entry("odd", Encoding.UTF8.GetBytes(canary), canary)]);
        using var wrong = await ingestion.PostAsync($"{{\"entries\":[{canary}");
        using var notFound = await ingestion.Http.GetAsync("/nothing-here");

        Assert.NotEmpty(ingestion.Logs.Lines);
        Assert.DoesNotContain(canary, ingestion.Logs.Everything);
        Assert.DoesNotContain("198.18.77.77", ingestion.Logs.Everything);
        Assert.DoesNotContain(canary, await wrong.Content.ReadAsStringAsync());
        Assert.DoesNotContain("SUCCESS", answers.Values);
    }

    private static string Junk(int length) => new('j', length);
}
