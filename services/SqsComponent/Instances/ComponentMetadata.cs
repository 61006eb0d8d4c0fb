using System.Globalization;
using System.Text.RegularExpressions;

namespace PiiMasking.SqsComponent.Instances;

/// <summary>Reads spec.metadata of a Component file. Pure.</summary>
/// <remarks>
/// Strict: a name that is not known, or a value out of its range, stops the sidecar at its start, when somebody looks,
/// and not a month later in the night. Messages name the entry and the allowed range; they never quote a value, since it
/// may be a secret in the wrong place. Names are compared without regard to case, as in Dapr's own components.
/// </remarks>
internal static partial class ComponentMetadata
{
    // What daprd itself adds, or reads from the same list.
    private static readonly string[] OfTheSidecar =
        ["consumerID", "allowedTopics", "protectedTopics", "publishingScopes", "subscriptionScopes"];

    private static readonly Dictionary<string, Func<SqsSettings, string, SqsSettings>> Entries =
        new(StringComparer.OrdinalIgnoreCase)
        {
            ["region"] = (s, v) => s with { Region = Matching(RegionName(), v, "the name of an AWS region, such as eu-west-1") },
            ["endpoint"] = (s, v) => s with { Endpoint = Address(v) },
            ["accessKey"] = (s, v) => s with { AccessKey = v },
            ["secretKey"] = (s, v) => s with { SecretKey = v },
            ["sessionToken"] = (s, v) => s with { SessionToken = v },
            ["batchSize"] = (s, v) => s with { BatchSize = Number(v, 1, 1000) },
            ["batchWait"] = (s, v) => s with { BatchWait = Duration(v, TimeSpan.Zero, TimeSpan.FromSeconds(10)) },
            ["maxOutstandingMessages"] = (s, v) => s with { MaxOutstandingMessages = Number(v, 1, 100_000) },
            ["maxOutstandingBytes"] = (s, v) => s with { MaxOutstandingBytes = Size(v, 1 << 10, 1 << 30) },
            ["receivers"] = (s, v) => s with { Receivers = Number(v, 1, 64) },
            ["waitTime"] = (s, v) => s with { WaitTime = WholeSeconds(v, 1, 20) },
            ["visibilityTimeout"] = (s, v) => s with { VisibilityTimeout = WholeSeconds(v, 2, 12 * 60 * 60) },
            ["retryBackoffMin"] = (s, v) => s with
            {
                RetryBackoffMin = Duration(v, TimeSpan.FromMilliseconds(10), TimeSpan.FromMinutes(15)),
            },
            ["retryBackoffMax"] = (s, v) => s with
            {
                RetryBackoffMax = Duration(v, TimeSpan.FromMilliseconds(10), TimeSpan.FromMinutes(15)),
            },
            ["createQueues"] = (s, v) => s with { CreateQueues = Switch(v) },
            ["maxReceiveCount"] = (s, v) => s with { MaxReceiveCount = Number(v, 1, 1000) },
            ["fifo"] = (s, v) => Switch(v)
                ? throw new MetadataException(
                    "FIFO queues are not supported, because nothing here keeps their order; use a standard queue and leave the entry out")
                : s,
        };

    /// <exception cref="MetadataException">An entry is unknown, missing or wrong; the message says which, and what to do.</exception>
    public static SqsSettings Parse(IReadOnlyCollection<KeyValuePair<string, string>> properties)
    {
        var settings = new SqsSettings();
        var seen = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (var (name, value) in properties)
        {
            if (OfTheSidecar.Contains(name, StringComparer.OrdinalIgnoreCase))
                continue;
            if (!Entries.TryGetValue(name, out var set))
                throw new MetadataException($"metadata entry '{Quoted(name)}' is unknown{Suggestion(name)}; known are {Known}");
            if (!seen.Add(name))
                throw new MetadataException($"metadata entry '{name}' is there twice; keep one");
            if (string.IsNullOrWhiteSpace(value))
            {
                throw new MetadataException(
                    $"metadata entry '{name}' is empty; if it refers to a secret or a variable, see that it exists, else leave it out");
            }

            try
            {
                settings = set(settings, value.Trim());
            }
            catch (MetadataException wrong)
            {
                throw new MetadataException($"metadata entry '{name}': {wrong.Message}");
            }
        }

        return Consistent(settings);
    }

    private static string Known => string.Join(", ", Entries.Keys.Where(name => name != "fifo"));

    private static SqsSettings Consistent(SqsSettings settings)
    {
        if (settings.AccessKey is null != settings.SecretKey is null)
        {
            var (given, missing) = settings.AccessKey is null ? ("secretKey", "accessKey") : ("accessKey", "secretKey");
            throw new MetadataException(
                $"metadata entry '{missing}' is missing, while '{given}' is there; give both, or neither to use the AWS credentials chain");
        }

        if (settings is { SessionToken: not null, AccessKey: null })
            throw new MetadataException("metadata entry 'sessionToken' needs 'accessKey' and 'secretKey'; give them or leave it out");
        if (settings.RetryBackoffMin > settings.RetryBackoffMax)
            throw new MetadataException("metadata entry 'retryBackoffMin' is longer than 'retryBackoffMax'; make it shorter");
        if (settings is { MaxReceiveCount: not null, CreateQueues: false })
        {
            throw new MetadataException(
                "metadata entry 'maxReceiveCount' needs 'createQueues' to be true; without it the queue's own redrive policy holds: " +
                "set it there and leave the entry out");
        }

        return settings;
    }

    private static int Number(string value, int min, int max) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= min && number <= max
            ? number
            : throw new MetadataException($"must be a whole number from {min} to {max}");

    private static bool Switch(string value) =>
        bool.TryParse(value, out var on) ? on : throw new MetadataException("must be true or false");

    private static Uri Address(string value) =>
        Uri.TryCreate(value, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https" && uri.UserInfo.Length == 0
            ? uri
            : throw new MetadataException("must be an http or https address without a user, such as http://127.0.0.1:4566");

    private static string Matching(Regex pattern, string value, string what) =>
        pattern.IsMatch(value) ? value : throw new MetadataException($"must be {what}");

    /// <summary>Bytes: a whole number, or one with Ki, Mi or Gi.</summary>
    private static long Size(string value, long min, long max)
    {
        var unit = value.Length > 2 ? value[^2..] : "";
        var shift = unit switch { "Ki" => 10, "Mi" => 20, "Gi" => 30, _ => 0 };
        var digits = shift == 0 ? value : value[..^2];
        return long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            && number <= max >> shift && number << shift >= min
            ? number << shift
            : throw new MetadataException($"must be a number of bytes from {min} to {max}; 1Ki, 1Mi and 1Gi are understood");
    }

    private static TimeSpan Duration(string value, TimeSpan min, TimeSpan max) =>
        GoDuration.TryParse(value, out var duration) && duration >= min && duration <= max
            ? duration
            : throw new MetadataException(
                $"must be a duration from {GoDuration.Format(min)} to {GoDuration.Format(max)}, such as 500ms, 30s or 1m30s");

    private static TimeSpan WholeSeconds(string value, int min, int max)
    {
        var duration = Duration(value, TimeSpan.FromSeconds(min), TimeSpan.FromSeconds(max));
        return duration.Ticks % TimeSpan.TicksPerSecond == 0
            ? duration
            : throw new MetadataException("must be whole seconds: SQS knows nothing smaller");
    }

    private static string Quoted(string name) => name.Length <= 40 ? name : name[..40] + "…";

    private static string Suggestion(string name)
    {
        var nearest = Entries.Keys.MinBy(known => Distance(known.ToUpperInvariant(), name.ToUpperInvariant()))!;
        return Distance(nearest.ToUpperInvariant(), name.ToUpperInvariant()) <= 3 ? $" (did you mean '{nearest}'?)" : "";
    }

    /// <summary>Levenshtein distance.</summary>
    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        foreach (var (letter, i) in a.Select((letter, i) => (letter, i + 1)))
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var substituted = diagonal + (letter == b[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(substituted, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[^1];
    }

    [GeneratedRegex(@"\A[a-z0-9-]{1,64}\z")]
    private static partial Regex RegionName();
}
