using PiiMasking.SqsComponent.Instances;

namespace PiiMasking.Deployment.Tests;

/// <summary>components/: any set may take the place of another, and no file holds what daprd would ignore or refuse.</summary>
public sealed class ComponentTests
{
    private const string ApiVersion = "dapr.io/v1alpha1";

    /// <summary>The types in use and every metadata entry that they know.</summary>
    private static readonly Dictionary<string, string[]> KnownMetadata = new()
    {
        ["pubsub.in-memory"] = [],
        ["pubsub.aws.snssqs"] =
        [
            "region", "accessKey", "secretKey", "sessionToken", "endpoint", "accountID", "consumerID", "messageVisibilityTimeout",
            "messageRetryLimit", "messageWaitTimeSeconds", "messageMaxNumber", "sqsDeadLettersQueueName", "messageReceiveLimit",
            "disableDeleteOnRetryLimit", "disableEntityManagement", "fifo", "fifoMessageGroupID", "concurrencyMode", "concurrencyLimit",
            "assetsManagementTimeoutSeconds",
        ],
        ["pubsub.azure.servicebus.topics"] =
        [
            "connectionString", "namespaceName", "azureTenantId", "azureClientId", "azureClientSecret", "consumerID", "timeoutInSec",
            "handlerTimeoutInSec", "disableEntityManagement", "maxDeliveryCount", "lockDurationInSec", "lockRenewalIntervalInSec",
            "maxActiveMessages", "maxConcurrentHandlers", "defaultMessageTimeToLiveInSec", "autoDeleteOnIdleInSec",
            "minConnectionRecoveryInSec", "maxConnectionRecoveryInSec", "maxRetriableErrorsPerSec", "publishMaxRetries",
            "publishInitialRetryIntervalInMs",
        ],
        ["pubsub.redis"] =
        [
            "redisHost", "redisUsername", "redisPassword", "redisType", "redisDB", "enableTLS", "consumerID", "redeliverInterval",
            "processingTimeout", "queueDepth", "concurrency", "maxLenApprox", "failover", "sentinelMasterName",
        ],
        ["pubsub.kafka"] =
        [
            "brokers", "consumerGroup", "consumerID", "clientID", "authType", "saslUsername", "saslPassword", "saslMechanism",
            "initialOffset", "maxMessageBytes", "consumeRetryInterval", "consumeRetryEnabled", "version", "caCert", "clientCert",
            "clientKey", "skipVerify", "disableTls", "excludeHeaderMetaRegex", "escapeHeaders",
        ],
        ["pubsub.rabbitmq"] =
        [
            "connectionString", "protocol", "hostname", "username", "password", "consumerID", "durable", "deletedWhenUnused", "autoAck",
            "deliveryMode", "requeueInFailure", "prefetchCount", "publisherConfirm", "reconnectWait", "concurrency", "enableDeadLetter",
            "exchangeKind", "clientName", "heartBeat",
        ],
        ["pubsub.jetstream"] =
        [
            "natsURL", "jwt", "seedKey", "token", "name", "streamName", "durableName", "queueGroupName", "flowControl", "deliverPolicy",
            "ackPolicy", "ackWait", "maxDeliver", "backOff", "maxAckPending", "replicas", "memoryStorage", "domain", "concurrency",
        ],
        ["secretstores.local.file"] = ["secretsFile", "nestedSeparator", "multiValued"],
        ["secretstores.aws.secretmanager"] = ["region", "accessKey", "secretKey", "sessionToken", "endpoint", "multipleKeyValuesPerSecret"],
        ["secretstores.azure.keyvault"] = ["vaultName", "azureTenantId", "azureClientId", "azureClientSecret", "azureEnvironment"],
        ["secretstores.hashicorp.vault"] =
        [
            "vaultAddr", "vaultToken", "vaultTokenMountPath", "enginePath", "vaultKVPrefix", "vaultKVUsePrefix", "vaultValueType", "caCert",
            "caPath", "caPem", "skipVerify", "tlsServerName",
        ],
        ["secretstores.kubernetes"] = ["defaultNamespace", "kubeconfigPath"],
    };

    public static TheoryData<string> Files => [.. Yaml.FilesIn("components").Where(file => Path.GetFileName(file) != "kustomization.yaml")];

    public static TheoryData<string> Sets =>
    [
        .. Yaml.FilesIn("components")
            .Select(file => Path.GetDirectoryName(file)!)
            .Where(folder => Path.GetFileName(folder) is not "common")
            .Distinct(),
    ];

    [Theory]
    [MemberData(nameof(Files))]
    public void Every_file_is_one_resource_of_a_known_kind_with_known_keys_only(string file)
    {
        switch (Header(file))
        {
            case "Component":
                var component = Yaml.Read<ComponentResource>(file);
                Assert.Equal(ApiVersion, component.ApiVersion);
                Assert.Equal("v1", component.Spec.Version);
                Assert.False(component.Spec.IgnoreErrors, "a sidecar without its component must not look healthy");
                // Whoever reads a queue must be meant to; a secret store is closed by the scopes of the configuration.
                Assert.True(component.Scopes.Count > 0 || component.Metadata.Name == "secrets", "unscoped");
                Assert.All(component.Scopes, scope => Assert.Contains(scope, (string[])["ingestion", "masking"]));
                break;
            case "Configuration":
                Assert.Equal(ApiVersion, Yaml.Read<ConfigurationResource>(file).ApiVersion);
                break;
            case "Resiliency":
                Assert.Equal(ApiVersion, Yaml.Read<ResiliencyResource>(file).ApiVersion);
                break;
            case var kind:
                Assert.Fail($"{kind} is no kind that belongs here");
                break;
        }
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void Every_file_says_first_what_it_is_for(string file) => Assert.StartsWith("# ", Yaml.Text(file));

    [Theory]
    [MemberData(nameof(Files))]
    public void Components_have_the_names_that_the_services_ask_for_and_metadata_that_their_type_knows(string file)
    {
        if (Header(file) != "Component")
            return;

        var component = Yaml.Read<ComponentResource>(file);
        var type = component.Spec.Type;
        Assert.Equal(type.StartsWith("pubsub.", StringComparison.Ordinal) ? "logins" : "secrets", component.Metadata.Name);
        Assert.All(component.Spec.Metadata, entry => Assert.Single(
            new object?[] { entry.Value, entry.SecretKeyRef, entry.EnvRef }, given => given is not null));
        Assert.Distinct(component.Spec.Metadata.Select(entry => entry.Name));
        if (component.Spec.Metadata.Any(entry => entry.SecretKeyRef is not null))
            Assert.NotNull(component.Auth);

        if (type == "pubsub.sqs")
        {
            ComponentMetadata.Parse(
                [.. component.Spec.Metadata.Select(entry => KeyValuePair.Create(entry.Name, entry.Value ?? StandIn(entry.Name)))]);
        }
        else
        {
            Assert.All(component.Spec.Metadata, entry => Assert.Contains(entry.Name, KnownMetadata[type]));
        }
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void No_component_holds_a_secret_of_anything_but_an_emulator(string file)
    {
        if (Header(file) != "Component" || file.StartsWith("components/compose/", StringComparison.Ordinal))
            return;

        string[] secret =
        [
            "accessKey", "secretKey", "sessionToken", "connectionString", "password", "redisPassword",
            "saslPassword", "token", "vaultToken", "azureClientSecret", "jwt", "seedKey",
        ];
        Assert.All(
            Yaml.Read<ComponentResource>(file).Spec.Metadata,
            entry => Assert.False(secret.Contains(entry.Name) && entry.Value is not null, entry.Name));
    }

    [Theory]
    [MemberData(nameof(Sets))]
    public void No_set_has_two_components_of_one_name(string set) =>
        Assert.Distinct(Yaml.FilesIn(set).Where(file => Path.GetDirectoryName(file) == set && Header(file) == "Component")
            .Select(file => Yaml.Read<ComponentResource>(file).Metadata.Name));

    [Theory]
    [MemberData(nameof(Files))]
    public void Every_broker_says_what_it_can_be_held_to(string file)
    {
        if (Path.GetFileName(file) != "logins.yaml")
            return;
        var annotations = Yaml.Read<ComponentResource>(file).Metadata.Annotations;
        Assert.Contains(annotations["pii-masking/identity"], (string[])["message", "event", "message, event"]);
        Assert.Contains(annotations["pii-masking/delivery"], (string[])["at-least-once", "at-most-once"]);
    }

    [Fact]
    public void Masking_may_read_its_secrets_and_ingestion_none()
    {
        var configurations = Yaml.FilesIn("components")
            .Where(file => Header(file) == "Configuration")
            .Select(Yaml.Read<ConfigurationResource>)
            .ToArray();
        Assert.NotEmpty(configurations);
        Assert.All(configurations, configuration =>
        {
            Assert.All(configuration.Spec.Secrets!.Scopes, scope => Assert.Equal("deny", scope.DefaultAccess));
            var scope = Assert.Single(configuration.Spec.Secrets.Scopes, scope => scope.StoreName == "secrets");
            string[] allowed = configuration.Metadata.Name == "masking"
                ? ["masking-keyset", "quarantine-keyset", "integrity-keyset", "postgres-password", "postgres-people-password"]
                : [];
            Assert.Equal(allowed, scope.AllowedSecrets);
        });
    }

    /// <summary>Why there is neither is said in the file.</summary>
    [Fact]
    public void Nothing_but_the_pubsub_component_tries_again_and_nothing_shuts_a_path_for_a_while()
    {
        var spec = Yaml.Read<ResiliencyResource>("components/common/resiliency.yaml").Spec;
        Assert.Empty(spec.Policies.Retries);
        Assert.Empty(spec.Policies.CircuitBreakers);
        Assert.Equal(["masking"], spec.Policies.Timeouts.Keys);
    }

    [Fact]
    public void Resiliency_names_no_policy_that_is_not_there_and_none_that_Dapr_applies_by_itself()
    {
        var spec = Yaml.Read<ResiliencyResource>("components/common/resiliency.yaml").Spec;
        string[] names = [.. spec.Policies.Timeouts.Keys, .. spec.Policies.Retries.Keys, .. spec.Policies.CircuitBreakers.Keys];
        Assert.DoesNotContain(names, name =>
            name.StartsWith("Default", StringComparison.Ordinal) || name.StartsWith("DaprBuiltIn", StringComparison.Ordinal));
        Assert.All(spec.Targets.Apps.Values, target =>
        {
            Assert.True(target.Timeout is null || spec.Policies.Timeouts.ContainsKey(target.Timeout));
            Assert.True(target.Retry is null || spec.Policies.Retries.ContainsKey(target.Retry));
            Assert.True(target.CircuitBreaker is null || spec.Policies.CircuitBreakers.ContainsKey(target.CircuitBreaker));
        });
        Assert.Equal(["masking"], spec.Targets.Apps.Keys);
    }

    private static string Header(string file) => (string)Yaml.Read<Dictionary<string, object>>(file)["kind"];

    private static string StandIn(string name) => name == "endpoint" ? "http://127.0.0.1:4566" : "from-the-store";
}
