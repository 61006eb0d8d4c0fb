using PiiMasking.SqsComponent.Instances;

namespace PiiMasking.SqsComponent.Tests;

public sealed class ComponentMetadataTests
{
    [Fact]
    public void Every_entry_is_read()
    {
        var settings = Parse(
            ("region", "eu-west-1"), ("endpoint", "http://127.0.0.1:4566"), ("accessKey", "a"), ("secretKey", "s"), ("sessionToken", "t"),
            ("batchSize", "50"), ("batchWait", "5ms"), ("maxOutstandingMessages", "500"), ("maxOutstandingBytes", "8Mi"),
            ("receivers", "3"), ("waitTime", "20s"), ("visibilityTimeout", "1m30s"), ("retryBackoffMin", "1.5s"),
            ("retryBackoffMax", "2m"), ("createQueues", "true"), ("maxReceiveCount", "4"), ("fifo", "false"));

        Assert.Equal(
            new SqsSettings
            {
                Region = "eu-west-1",
                Endpoint = new Uri("http://127.0.0.1:4566"),
                AccessKey = "a",
                SecretKey = "s",
                SessionToken = "t",
                BatchSize = 50,
                BatchWait = TimeSpan.FromMilliseconds(5),
                MaxOutstandingMessages = 500,
                MaxOutstandingBytes = 8 << 20,
                Receivers = 3,
                WaitTime = TimeSpan.FromSeconds(20),
                VisibilityTimeout = TimeSpan.FromSeconds(90),
                RetryBackoffMin = TimeSpan.FromSeconds(1.5),
                RetryBackoffMax = TimeSpan.FromMinutes(2),
                CreateQueues = true,
                MaxReceiveCount = 4,
            },
            settings);
    }

    [Fact]
    public void Nothing_is_needed() => Assert.Equal(new SqsSettings(), Parse());

    [Fact]
    public void Names_are_taken_in_any_case() => Assert.Equal(7, Parse(("BATCHSIZE", "7")).BatchSize);

    [Theory]
    [InlineData("batchSize", "0", "1 to 1000")]
    [InlineData("batchSize", "1001", "1 to 1000")]
    [InlineData("batchSize", "-1", "1 to 1000")]
    [InlineData("batchSize", "ten", "1 to 1000")]
    [InlineData("batchWait", "11s", "0s to 10s")]
    [InlineData("batchWait", "20", "duration")]
    [InlineData("maxOutstandingMessages", "0", "1 to 100000")]
    [InlineData("maxOutstandingBytes", "1", "1024 to 1073741824")]
    [InlineData("maxOutstandingBytes", "99999999999Gi", "1024 to 1073741824")]
    [InlineData("receivers", "65", "1 to 64")]
    [InlineData("waitTime", "21s", "1s to 20s")]
    [InlineData("waitTime", "1500ms", "whole seconds")]
    [InlineData("visibilityTimeout", "1s", "2s to 12h")]
    [InlineData("visibilityTimeout", "13h", "2s to 12h")]
    [InlineData("retryBackoffMin", "1ms", "10ms to 15m")]
    [InlineData("retryBackoffMax", "-5s", "10ms to 15m")]
    [InlineData("createQueues", "yes", "true or false")]
    [InlineData("maxReceiveCount", "0", "1 to 1000")]
    [InlineData("endpoint", "10.0.0.1:9324", "http or https")]
    [InlineData("endpoint", "ftp://queue", "http or https")]
    [InlineData("endpoint", "http://user:password@queue", "http or https")]
    [InlineData("region", "EU West", "AWS region")]
    [InlineData("fifo", "true", "FIFO queues are not supported")]
    [InlineData("accessKey", "", "is empty")]
    public void A_wrong_value_fails_by_name_with_what_is_allowed_and_is_not_quoted(string name, string value, string allowed)
    {
        var error = Assert.Throws<MetadataException>(() => Parse((name, value)));

        Assert.Contains($"'{name}'", error.Message, StringComparison.Ordinal);
        Assert.Contains(allowed, error.Message, StringComparison.Ordinal);
        if (value.Length > 4)
            Assert.DoesNotContain(value, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("accessKey")]
    [InlineData("secretKey")]
    public void Half_of_a_pair_of_keys_fails_by_the_name_of_the_other(string given)
    {
        var error = Assert.Throws<MetadataException>(() => Parse((given, "value")));

        var missing = given == "accessKey" ? "'secretKey' is missing" : "'accessKey' is missing";
        Assert.Contains(missing, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Settings_that_contradict_each_other_fail()
    {
        Assert.Throws<MetadataException>(() => Parse(("retryBackoffMin", "2m")));
        Assert.Throws<MetadataException>(() => Parse(("maxReceiveCount", "3")));
        Assert.Throws<MetadataException>(() => Parse(("sessionToken", "t")));
        Assert.Throws<MetadataException>(() => Parse(("batchSize", "1"), ("BatchSize", "2")));
    }

    [Fact]
    public void Settings_print_no_secret() =>
        Assert.DoesNotContain("hush", Parse(("accessKey", "a"), ("secretKey", "hush")).ToString(), StringComparison.Ordinal);

    private static SqsSettings Parse(params (string Name, string Value)[] entries) =>
        ComponentMetadata.Parse([.. entries.Select(entry => KeyValuePair.Create(entry.Name, entry.Value))]);
}
