using PiiMasking.Backing;
using YamlDotNet.RepresentationModel;

namespace PiiMasking.Conformance.Tests;

/// <summary>A folder with a logins.yaml, and what that file claims for its broker in its annotations.</summary>
/// <param name="Name">As in CONFORMANCE_COMPONENTS.</param>
/// <param name="Folder">Full path.</param>
/// <param name="ReadsSqs">It is our component that reads the queue, so that one has to run.</param>
/// <param name="NamesMessages">Each message has the same identity in all its deliveries, whatever is in it.</param>
/// <param name="NamesEvents">A CloudEvent has its own identity in all its deliveries, and wherever it is published again.</param>
/// <param name="LosesNothing">At least once: what was published arrives, whatever is killed meanwhile.</param>
internal sealed record ComponentSet(string Name, string Folder, bool ReadsSqs, bool NamesMessages, bool NamesEvents, bool LosesNothing)
{
    private const string Identity = "pii-masking/identity";
    private const string Delivery = "pii-masking/delivery";

    /// <summary>The sets to check: folders, from the repository's root, with commas between.</summary>
    public static IReadOnlyList<string> Names { get; } =
        (Environment.GetEnvironmentVariable("CONFORMANCE_COMPONENTS") ?? "components/local,components/in-memory")
        .Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    /// <summary>Reads the claims.</summary>
    public static ComponentSet Read(string name)
    {
        var folder = Path.Combine(Repository.Root, name);
        using var text = File.OpenText(Path.Combine(folder, "logins.yaml"));
        var yaml = new YamlStream();
        yaml.Load(text);
        var component = yaml.Documents[0].RootNode;
        var annotations = component["metadata"]["annotations"];
        string[] identities = annotations[Identity].ToString().Split(',', StringSplitOptions.TrimEntries);
        return new ComponentSet(
            name,
            folder,
            ReadsSqs: component["spec"]["type"].ToString() == "pubsub.sqs",
            NamesMessages: identities.Contains("message"),
            NamesEvents: identities.Contains("event"),
            LosesNothing: annotations[Delivery].ToString() == "at-least-once");
    }
}
