using System.Text.Json;
using System.Text.RegularExpressions;
using PiiMasking.Backing;

namespace PiiMasking.Deployment.Tests;

/// <summary>deploy/observability: dashboard and alerts ask for metrics that the programs have, and every alert has its chapter.</summary>
public sealed partial class ObservabilityTests
{
    private static readonly string[] Suffixes = ["_bucket", "_sum", "_count"];

    [Fact]
    public void Dashboard_and_alerts_ask_for_metrics_that_exist()
    {
        var known = KnownMetrics().ToHashSet();
        Assert.Contains("pii_logins_age_seconds", known);
        var asked = Expressions()
            .SelectMany(expression => MetricName().Matches(expression).Select(match => match.Value))
            .Distinct()
            .ToArray();
        Assert.NotEmpty(asked);
        Assert.All(asked, name => Assert.Contains(
            Suffixes.Where(suffix => name.EndsWith(suffix, StringComparison.Ordinal))
                .Select(suffix => name[..^suffix.Length])
                .FirstOrDefault(name),
            known));
    }

    [Fact]
    public void Every_alert_has_a_chapter_in_the_runbook()
    {
        var runbook = Yaml.Text("deploy/README.md");
        Assert.All(Alerts(), alert =>
        {
            Assert.Contains($"\n### {alert.Alert}\n", runbook);
            Assert.Equal($"deploy/README.md#{alert.Alert.ToLowerInvariant()}", alert.Annotations["runbook_url"]);
            Assert.NotEmpty(alert.Annotations["summary"]);
            Assert.Contains(alert.Labels["severity"], (string[])["warning", "critical"]);
        });
    }

    [Fact]
    public void Panels_have_ids_of_their_own_and_do_not_overlap()
    {
        using var dashboard = JsonDocument.Parse(Yaml.Text("deploy/observability/dashboard.json"));
        var panels = dashboard.RootElement.GetProperty("panels").EnumerateArray().ToArray();
        int At(JsonElement panel, string side) => panel.GetProperty("gridPos").GetProperty(side).GetInt32();
        Assert.Distinct(panels.Select(panel => panel.GetProperty("id").GetInt32()));
        Assert.Distinct(panels.Select(panel => (At(panel, "x"), At(panel, "y"))));
        Assert.All(panels, panel => Assert.InRange(At(panel, "x") + At(panel, "w"), 1, 24));
    }

    private static IEnumerable<AlertRule> Alerts() =>
        Yaml.Read<RuleFile>("deploy/observability/alerts.yaml").Groups.SelectMany(group => group.Rules);

    private static string[] Expressions()
    {
        using var dashboard = JsonDocument.Parse(Yaml.Text("deploy/observability/dashboard.json"));
        return
        [
            .. dashboard.RootElement.GetProperty("panels").EnumerateArray()
                .SelectMany(panel => panel.GetProperty("targets").EnumerateArray())
                .Select(target => target.GetProperty("expr").GetString()!),
            .. Alerts().Select(alert => alert.Expr),
        ];
    }

    /// <summary>The programs' instruments, named as OTLP metrics are in Prometheus.</summary>
    private static IEnumerable<string> KnownMetrics() =>
        from file in Directory.EnumerateFiles(Path.Combine(Repository.Root, "services"), "*.cs", SearchOption.AllDirectories)
        from Match match in Instrument().Matches(File.ReadAllText(file))
        let name = match.Groups["name"].Value.Replace('.', '_')
        let unit = match.Groups["unit"].Value switch
        {
            "s" => "_seconds",
            ['{', ..] => "",
            var other => throw new InvalidDataException($"what Prometheus calls {other} has to be written here"),
        }
        select name + unit + (match.Groups["kind"].Value == "Counter" ? "_total" : "");

    [GeneratedRegex(
        """
        Create(?<kind>Counter|Histogram|ObservableGauge)(<[^>]+>)?\(\s*"(?<name>[^"]+)",(\s*\w+,)?\s*"(?<unit>[^"]+)
        """)]
    private static partial Regex Instrument();

    [GeneratedRegex(@"\b(pii|piimasking|intake|sqs)_[a-z_]+")]
    private static partial Regex MetricName();

    private sealed class RuleFile
    {
        public List<RuleGroup> Groups { get; set; } = [];
    }

    private sealed class RuleGroup
    {
        public string Name { get; set; } = "";
        public List<AlertRule> Rules { get; set; } = [];
    }

    private sealed class AlertRule
    {
        public string Alert { get; set; } = "";
        public string Expr { get; set; } = "";
        public string? For { get; set; }
        public Dictionary<string, string> Labels { get; set; } = [];
        public Dictionary<string, string> Annotations { get; set; } = [];
    }
}
