using System.Globalization;

namespace PiiMasking.EndToEnd.Tests.Storm;

/// <summary>What a run has sent: the numbers of its logins, and the message ids that the queue confirmed. Thread-safe.</summary>
/// <remarks>
/// Everything about a login follows from its number, so that the list stays small and the checker knows what each row has to hold. A
/// send that the queue did not answer is tried with the next number: the message may be on the queue or not, and either is right.
/// </remarks>
internal sealed class SentList
{
    private readonly Lock gate = new();
    private readonly Dictionary<Guid, int> confirmed = [];
    private readonly List<SentMessage> order = [];
    private int next;

    public SentList(string run) => Prefix = $"storm-{run}-";

    /// <summary>Begins the user id of each login of the run.</summary>
    public string Prefix { get; }

    /// <summary>How many the queue has confirmed.</summary>
    public int Count
    {
        get
        {
            lock (gate)
                return order.Count;
        }
    }

    /// <returns>The confirmed messages and their numbers, as they are now.</returns>
    public Dictionary<Guid, int> Confirmed
    {
        get
        {
            lock (gate)
                return new Dictionary<Guid, int>(confirmed);
        }
    }

    /// <returns>Numbers that nobody else gets.</returns>
    public int[] Reserve(int count)
    {
        lock (gate)
        {
            var numbers = Enumerable.Range(next, count).ToArray();
            next += count;
            return numbers;
        }
    }

    /// <summary>The queue has answered for them.</summary>
    public void Confirm(IEnumerable<SentMessage> messages)
    {
        lock (gate)
        {
            foreach (var message in messages)
            {
                confirmed.Add(message.Id, message.Number);
                order.Add(message);
            }
        }
    }

    /// <returns>Up to so many of the latest ones.</returns>
    public List<SentMessage> Latest(int count)
    {
        lock (gate)
            return [.. order.TakeLast(count)];
    }

    /// <returns>True for a message that is no login, and has to end in quarantine: one in fifty.</returns>
    public static bool IsPoison(int number) => number % 50 == 49;

    /// <returns>The login of a number, in the form in which it is stored; null for poison.</returns>
    public StormLogin? Login(int number) => IsPoison(number)
        ? null
        : new StormLogin(
            Prefix + number.ToString(CultureInfo.InvariantCulture),
            number % 3 == 0 ? "ios" : "android",
            // Of ten logins one shares its address, so that there are duplicates.
            number % 10 == 0 ? "10.255.0.1" : $"10.{number >> 16 & 127}.{number >> 8 & 255}.{number & 255}",
            $"device-{number % 5000:0000}",
            number % 4 == 0 ? null : "DE",
            2_003_000 + number % 1000);

    /// <returns>The body of a number's message.</returns>
    public string Body(int number) => Login(number) is { } login
        ? $$"""
            {"user_id":"{{login.UserId}}","app_version":"2.3.{{number % 1000}}","device_type":"{{login.DeviceType}}","ip":"{{login.Ip}}",
            "locale":{{(login.Locale is null ? "null" : $"\"{login.Locale}\"")}},"device_id":"{{login.DeviceId}}"}
            """
        : $$"""{"foo":"oops_wrong_msg_type","bar":"{{Prefix}}{{number}}"}""";
}

/// <summary>A message that is on the queue.</summary>
/// <param name="Id">The queue's id for it.</param>
/// <param name="Number">Its number in the run.</param>
/// <param name="SentAt">To a few milliseconds.</param>
internal sealed record SentMessage(Guid Id, int Number, DateTimeOffset SentAt);

/// <summary>A login as it is stored, but for the masking.</summary>
internal sealed record StormLogin(string UserId, string DeviceType, string Ip, string DeviceId, string? Locale, int AppVersion);
