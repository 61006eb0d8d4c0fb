using System.Diagnostics;
using System.Globalization;
using k8s;
using k8s.Models;
using PiiMasking.Backing;

namespace PiiMasking.Deployment.Tests;

/// <summary>
/// deploy/kubernetes as kubectl's own kustomize puts it together, read strictly: Kubernetes' kinds by the models of its client, Dapr's by
/// ours. Resources of KEDA and CloudNativePG are only checked for being there: their schemas are not to be had offline.
/// </summary>
public sealed class KubernetesTests
{
    private static readonly Dictionary<string, Type> Models = new()
    {
        ["v1/Namespace"] = typeof(V1Namespace),
        ["v1/Service"] = typeof(V1Service),
        ["v1/ServiceAccount"] = typeof(V1ServiceAccount),
        ["v1/ConfigMap"] = typeof(V1ConfigMap),
        ["apps/v1/Deployment"] = typeof(V1Deployment),
        ["apps/v1/StatefulSet"] = typeof(V1StatefulSet),
        ["batch/v1/Job"] = typeof(V1Job),
        ["autoscaling/v2/HorizontalPodAutoscaler"] = typeof(V2HorizontalPodAutoscaler),
        ["networking.k8s.io/v1/NetworkPolicy"] = typeof(V1NetworkPolicy),
        ["policy/v1/PodDisruptionBudget"] = typeof(V1PodDisruptionBudget),
        ["rbac.authorization.k8s.io/v1/Role"] = typeof(V1Role),
        ["rbac.authorization.k8s.io/v1/RoleBinding"] = typeof(V1RoleBinding),
    };

    private static readonly string[] OfOthers =
    [
        "keda.sh/v1alpha1/ScaledObject", "keda.sh/v1alpha1/TriggerAuthentication", "postgresql.cnpg.io/v1/Cluster",
        "postgresql.cnpg.io/v1/ScheduledBackup",
    ];

    public static TheoryData<string> Overlays => ["local", "aws", "azure"];

    [Theory]
    [MemberData(nameof(Overlays))]
    public void Every_resource_is_of_a_known_kind_with_known_keys_only(string overlay)
    {
        foreach (var (kind, text) in Render(overlay))
        {
            if (Models.TryGetValue(kind, out var model))
                Assert.IsType(model, KubernetesYaml.LoadAllFromString(text, Models, strict: true).Single());
            else if (kind == "dapr.io/v1alpha1/Component")
                Yaml.Parse<ComponentResource>(text);
            else if (kind == "dapr.io/v1alpha1/Configuration")
                Yaml.Parse<ConfigurationResource>(text);
            else if (kind == "dapr.io/v1alpha1/Resiliency")
                Yaml.Parse<ResiliencyResource>(text);
            else
                Assert.Contains(kind, OfOthers);
        }
    }

    [Theory]
    [MemberData(nameof(Overlays))]
    public void Sidecars_agree_with_the_apps_beside_them(string overlay)
    {
        var resources = Render(overlay).ToArray();
        var configurations = Of(resources, "dapr.io/v1alpha1/Configuration", Yaml.Parse<ConfigurationResource>);
        foreach (var app in (string[])["ingestion", "masking"])
        {
            var deployment = Deployment(resources, app);
            var annotations = deployment.Spec.Template.Metadata.Annotations;
            var container = deployment.Spec.Template.Spec.Containers.Single(container => container.Name == app);
            Assert.Equal(app, annotations["dapr.io/app-id"]);
            Assert.Contains(annotations["dapr.io/config"], configurations.Select(configuration => configuration.Metadata.Name));
            var port = container.Ports.Single(port => port.Name == "app").ContainerPort;
            Assert.Equal(annotations["dapr.io/app-port"], port.ToString(CultureInfo.InvariantCulture));
            Assert.EndsWith($":{port}", container.Env.Single(entry => entry.Name == "Kestrel__Endpoints__App__Url").Value);
            var tokens = new[] { ("DAPR_API_TOKEN", "dapr.io/api-token-secret"), ("APP_API_TOKEN", "dapr.io/app-token-secret") };
            foreach (var (variable, annotation) in tokens)
            {
                var secret = container.Env.Single(entry => entry.Name == variable).ValueFrom.SecretKeyRef;
                Assert.Equal((annotations[annotation], "token"), (secret.Name, secret.Key));
            }

            var account = deployment.Spec.Template.Spec.ServiceAccountName;
            Assert.Contains(resources, resource => resource.Kind == "v1/ServiceAccount" && NameOf(resource.Text) == account);
        }
    }

    [Theory]
    [MemberData(nameof(Overlays))]
    public void The_component_is_in_the_pod_where_it_is_used_and_announced_there_only(string overlay)
    {
        var resources = Render(overlay).ToArray();
        var logins = Of(resources, "dapr.io/v1alpha1/Component", Yaml.Parse<ComponentResource>)
            .Single(component => component.Metadata.Name == "logins");
        var pod = Deployment(resources, "ingestion").Spec.Template;
        var isUsed = logins.Spec.Type == "pubsub.sqs";
        Assert.Equal(isUsed, pod.Spec.Containers.Any(container => container.Image.Contains("sqs-component", StringComparison.Ordinal)));
        Assert.Equal(isUsed, pod.Metadata.Annotations.TryGetValue("dapr.io/pluggable-components", out var named));
        if (isUsed)
            Assert.Contains(named, pod.Spec.Containers.Select(container => container.Name));
    }

    [Theory]
    [MemberData(nameof(Overlays))]
    public void Only_ingestion_may_hand_logins_to_masking(string overlay)
    {
        var configurations = Of(
            Render(overlay), "dapr.io/v1alpha1/Configuration", Yaml.Parse<ConfigurationResource>);
        Assert.Equal(
            ["ingestion", "masking"], configurations.Select(configuration => configuration.Metadata.Name).Order(StringComparer.Ordinal));
        Assert.All(configurations, configuration => Assert.Equal("deny", configuration.Spec.AccessControl!.DefaultAction));
        Assert.Single(configurations.Select(configuration => configuration.Spec.AccessControl!.TrustDomain).Distinct());

        var masking = configurations.Single(configuration => configuration.Metadata.Name == "masking").Spec.AccessControl!;
        var policy = Assert.Single(masking.Policies);
        Assert.Equal(
            ("ingestion", "deny", masking.TrustDomain, "pii-masking"),
            (policy.AppId, policy.DefaultAction, policy.TrustDomain, policy.Namespace));
        Assert.Equal(
            ["POST /v1/logins allow", "GET /readyz allow"],
            policy.Operations.Select(operation => $"{Assert.Single(operation.HttpVerb)} {operation.Name} {operation.Action}"));
        Assert.Empty(configurations.Single(configuration => configuration.Metadata.Name == "ingestion").Spec.AccessControl!.Policies);
    }

    [Theory]
    [MemberData(nameof(Overlays))]
    public void Every_container_is_bounded_and_without_privileges(string overlay)
    {
        foreach (var pod in Pods(Render(overlay)))
        {
            Assert.True(pod.SecurityContext.RunAsNonRoot);
            Assert.Equal("RuntimeDefault", pod.SecurityContext.SeccompProfile.Type);
            Assert.All(pod.Containers, container =>
            {
                Assert.False(container.SecurityContext.AllowPrivilegeEscalation);
                Assert.Equal(["ALL"], container.SecurityContext.Capabilities.Drop);
                Assert.Contains("memory", container.Resources.Limits.Keys);
                Assert.Contains("cpu", container.Resources.Requests.Keys);
                if (container.Image.StartsWith("pii-masking/", StringComparison.Ordinal))
                    Assert.True(container.SecurityContext.ReadOnlyRootFilesystem);
            });
        }
    }

    [Theory]
    [MemberData(nameof(Overlays))]
    public void No_secret_is_in_the_files(string overlay)
    {
        var resources = Render(overlay).ToArray();
        Assert.DoesNotContain(resources, resource => resource.Kind == "v1/Secret");
        Assert.All(Pods(resources).SelectMany(pod => pod.Containers).SelectMany(container => container.Env ?? []), entry =>
        {
            if (entry.Value is { } value)
                Assert.DoesNotContain("assword=", value, StringComparison.Ordinal);
            var isSecret = entry.Name.StartsWith("ConnectionStrings__", StringComparison.Ordinal)
                || entry.Name.EndsWith("_TOKEN", StringComparison.Ordinal);
            if (isSecret)
                Assert.NotNull(entry.ValueFrom?.SecretKeyRef);
        });
    }

    [Theory]
    [MemberData(nameof(Overlays))]
    public void Everything_is_in_one_namespace_that_denies_what_is_not_allowed(string overlay)
    {
        var resources = Render(overlay).ToArray();
        var denial = Of(resources, "networking.k8s.io/v1/NetworkPolicy", text => KubernetesYaml.Deserialize<V1NetworkPolicy>(text))
            .Single(policy => policy.Metadata.Name == "default-deny");
        Assert.Null(denial.Spec.Ingress);
        Assert.Null(denial.Spec.Egress);
        Assert.Equal(["Ingress", "Egress"], denial.Spec.PolicyTypes);
        Assert.All(
            resources.Where(resource => resource.Kind != "v1/Namespace"),
            resource => Assert.Contains("\n  namespace: pii-masking\n", resource.Text + "\n", StringComparison.Ordinal));
    }

    private static V1Deployment Deployment(IEnumerable<Resource> resources, string name) =>
        Of(resources, "apps/v1/Deployment", text => KubernetesYaml.Deserialize<V1Deployment>(text))
            .Single(deployment => deployment.Metadata.Name == name);

    private static IEnumerable<V1PodSpec> Pods(IEnumerable<Resource> resources) => resources.Select(resource => resource.Kind switch
    {
        "apps/v1/Deployment" => KubernetesYaml.Deserialize<V1Deployment>(resource.Text).Spec.Template.Spec,
        "apps/v1/StatefulSet" => KubernetesYaml.Deserialize<V1StatefulSet>(resource.Text).Spec.Template.Spec,
        "batch/v1/Job" => KubernetesYaml.Deserialize<V1Job>(resource.Text).Spec.Template.Spec,
        _ => null,
    }).OfType<V1PodSpec>();

    private static T[] Of<T>(IEnumerable<Resource> resources, string kind, Func<string, T> read) =>
        [.. resources.Where(resource => resource.Kind == kind).Select(resource => read(resource.Text))];

    private static string NameOf(string text) => KubernetesYaml.Deserialize<V1ServiceAccount>(text).Metadata.Name;

    private static IEnumerable<Resource> Render(string overlay)
    {
        if (Programs.Find("kubectl") is not { } kubectl)
        {
            Assert.Skip("kubectl is not on the PATH, and it is what puts the overlays together");
            yield break;
        }

        var start = new ProcessStartInfo(kubectl, ["kustomize", Path.Combine(Repository.Root, "deploy/kubernetes/overlays", overlay)])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, errors.GetAwaiter().GetResult());
        foreach (var text in output.Split("\n---\n"))
        {
            var head = Yaml.Parse<Dictionary<string, object>>(text);
            yield return new Resource($"{head["apiVersion"]}/{head["kind"]}", text);
        }
    }

    /// <param name="Kind">apiVersion/kind.</param>
    /// <param name="Text">One YAML document.</param>
    private sealed record Resource(string Kind, string Text);
}
