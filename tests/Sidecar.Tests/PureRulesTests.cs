using System.Text;
using System.Text.Json;
using PiiMasking.Sidecar.Components;
using PiiMasking.Sidecar.Invocation;
using PiiMasking.Sidecar.PubSub;
using PiiMasking.Sidecar.Resources;

namespace PiiMasking.Sidecar.Tests;

/// <summary>The rules that need no process: dapr-contract A1, B2, B3, G1, G5, I1.</summary>
public sealed class PureRulesTests
{
    [Theory]
    [InlineData("{}", null)]
    [InlineData("", null)]
    [InlineData("not json", null)]
    [InlineData("[1]", null)]
    [InlineData("{\"status\":7}", null)]
    [InlineData("{\"status\":\"\"}", "")]
    [InlineData("{\"status\":\"SUCCESS\"}", "SUCCESS")]
    [InlineData("{\"STATUS\":\"RETRY\"}", "RETRY")]
    [InlineData("{\"Status\":\"DROP\",\"id\":1}", "DROP")]
    [InlineData("{\"status\":\"shipped\"} and more", "shipped")]
    public void The_status_of_an_answer_is_found_in_any_case(string body, string? expected) =>
        Assert.Equal(expected, SingleDelivery.StatusOf(Encoding.UTF8.GetBytes(body)));

    [Fact]
    public void The_statuses_of_a_bulk_answer_are_found_in_any_case()
    {
        var statuses = BulkDelivery.ReadStatuses("""{"Statuses":[{"EntryId":"a","STATUS":"DROP"},{"entryId":"b"}]}"""u8.ToArray());

        Assert.Equal([("a", "DROP"), ("b", "")], statuses);
    }

    [Theory]
    [InlineData("")]
    [InlineData("nothing")]
    [InlineData("{\"statuses\":7}")]
    public void A_bulk_answer_of_another_shape_is_none(string body) =>
        Assert.Null(BulkDelivery.ReadStatuses(Encoding.UTF8.GetBytes(body)));

    [Theory]
    [InlineData("9007199254740993", "9007199254740992")]
    [InlineData("1e3", "1000")]
    [InlineData("100000000000000000000", "100000000000000000000")]
    [InlineData("1.50", "1.5")]
    [InlineData("{\"a\":[1,\"x\",true,null,{}]}", "{\"a\":[1,\"x\",true,null,{}]}")]
    public void Numbers_of_a_CloudEvent_in_a_bulk_pass_through_a_float(string json, string expected)
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream))
            BulkDelivery.Rewrite(Encoding.UTF8.GetBytes(json), writer);

        Assert.Equal(expected, Encoding.UTF8.GetString(stream.ToArray()));
    }

    [Theory]
    [InlineData("/v1.0/invoke/masking/method/v1/logins", null, null, "masking", "v1/logins")]
    [InlineData("/v1.0/invoke/masking.default/method/x", null, null, "masking.default", "x")]
    [InlineData("/v1.0/invoke/masking/method/a%20b/../c//d/", null, null, "masking", "c/d")]
    [InlineData("/v1.0/invoke/masking/method/", null, null, "masking", "")]
    [InlineData("/v1.0/invoke/a/method/x/method/y", null, null, "a", "x/method/y")]
    [InlineData("/v1/logins", "masking", null, "masking", "v1/logins")]
    [InlineData("/v1/logins", null, "Basic ZGFwci1hcHAtaWQ6bWFza2luZw==", "masking", "v1/logins")]
    public void A_target_is_named_by_path_header_or_basic_authorization(
        string path, string? header, string? authorization, string appId, string method)
    {
        var target = InvocationTarget.Find(path, header, authorization);

        Assert.NotNull(target);
        Assert.Equal(appId, target.AppId);
        Assert.True(target.TryClean(out var cleaned));
        Assert.Equal(method, cleaned);
    }

    [Theory]
    [InlineData("/v1/logins", null)]
    [InlineData("/v1.0/invoke/masking", null)]
    [InlineData("/v1.0/invoke//method/x", null)]
    [InlineData("/x", "Basic dXNlcjpwYXNz")]
    [InlineData("/x", "Basic !!")]
    [InlineData("/x", "Bearer abc")]
    public void Otherwise_there_is_no_target(string path, string? authorization) =>
        Assert.Null(InvocationTarget.Find(path, null, authorization));

    [Theory]
    [InlineData("a%23b")]
    [InlineData("a%3Fb")]
    [InlineData("a%0Ab")]
    public void A_path_with_forbidden_characters_is_refused(string path) =>
        Assert.False(new InvocationTarget("a", path).TryClean(out _));

    [Theory]
    [InlineData("", "", "", "t", true)]
    [InlineData("t,u", "", "", "t", true)]
    [InlineData("u", "", "", "t", false)]
    [InlineData("", "t", "", "t", false)]
    [InlineData("", "t", "app=t", "t", true)]
    [InlineData("", "", "app=u,t;other=v", "t", true)]
    [InlineData("", "", "app=u", "t", false)]
    [InlineData("", "", "app=", "t", false)]
    [InlineData("", "", "other=u", "t", true)]
    [InlineData("t", "", "app=t ; other=u", "t", true)]
    public void Topic_scopes_decide_who_may_publish_and_subscribe(string allowed, string kept, string scopes, string topic, bool may)
    {
        var properties = new Dictionary<string, string>
        {
            ["allowedTopics"] = allowed,
            ["protectedTopics"] = kept,
            ["publishingScopes"] = scopes,
            ["subscriptionScopes"] = scopes,
        };
        var decided = new TopicScopes(properties, "app");

        Assert.Equal(may, decided.MayPublish(topic));
        Assert.Equal(may, decided.MaySubscribe(topic));
    }

    [Theory]
    [InlineData(null, "a", "", "a", true)]
    [InlineData("deny", "a", "", "b", false)]
    [InlineData("allow", "a", "", "b", false)]
    [InlineData("allow", "", "a", "a", false)]
    [InlineData("allow", "", "a", "b", true)]
    [InlineData("deny", "", "", "a", false)]
    [InlineData(null, "", "", "a", true)]
    public void Secret_scopes_decide_who_may_read(string? byDefault, string allowed, string denied, string key, bool may)
    {
        var scope = new SecretScope("s", byDefault, Split(allowed), Split(denied));

        Assert.Equal(may, scope.Allows(key));

        static string[] Split(string text) => text.Split(',', StringSplitOptions.RemoveEmptyEntries);
    }

    [Theory]
    [InlineData(null, false, true)]
    [InlineData(null, true, false)]
    [InlineData("allow", true, true)]
    [InlineData("deny", false, false)]
    public void Without_mTLS_the_global_action_decides_for_every_caller(string? action, bool hasPolicies, bool allows)
    {
        AccessControlPolicy[] policies = hasPolicies ? [new("caller", "public", "default")] : [];

        Assert.Equal(allows, new AccessControlSpec(action, null, policies).AllowsUnknownCallers);
    }

    [Fact]
    public void A_declarative_subscription_gives_way_to_a_programmatic_one_and_the_last_of_those_counts()
    {
        var chosen = AppSubscription.OnePerTopic(
            [
                Of("t", "d1", SubscriptionKind.Declarative), Of("t", "d2", SubscriptionKind.Declarative),
                Of("u", "d3", SubscriptionKind.Declarative),
            ],
            [Of("t", "p1", SubscriptionKind.Programmatic), Of("t", "p2", SubscriptionKind.Programmatic)]);

        Assert.Equal([("t", "p2"), ("u", "d3")], chosen.Select(one => (one.Topic, one.Route)));

        static AppSubscription Of(string topic, string route, SubscriptionKind kind) =>
            new("pubsub", topic, route, new Dictionary<string, string>(), null, null, kind);
    }

    [Fact]
    public void Yaml_values_become_the_texts_that_daprd_passes_on()
    {
        var json = Yaml.ToJson("{ a: text, b: 5, c: 5.0, d: true, e: 'true', f: \"05\", g: yes, h: null, i: 1e3 }")!;
        var element = JsonSerializer.SerializeToElement(json);

        Assert.Equal(
            ["text", "5", "5", "true", "true", "05", "true", "", "1000"],
            element.EnumerateObject().Select(member => Yaml.TextOf(member.Value)));
    }

    [Fact]
    public void Documents_are_split_at_lines_that_start_with_three_dashes() =>
        Assert.Equal(["a: 1\n", "b: 2"], Yaml.Documents("---\na: 1\n--- # second\nb: 2"));
}
