namespace PiiMasking.AppHost;

/// <summary>One message to send, and what is known about it.</summary>
/// <param name="Body">The message body.</param>
/// <param name="Address">Says which samples have the same address, however it is spelled; null if unknown or not a login.</param>
/// <param name="Device">The same for the device.</param>
internal readonly record struct Sample(string Body, int? Address = null, int? Device = null);

/// <summary>Counts what repeats among samples, which is what a search for duplicates must find.</summary>
internal sealed class SampleTally
{
    private readonly Dictionary<int, int> addresses = [];
    private readonly Dictionary<int, int> devices = [];

    /// <summary>Messages so far.</summary>
    public int Messages { get; private set; }

    /// <summary>False if nothing is known beforehand: messages from a file.</summary>
    public bool IsKnown => addresses.Count > 0;

    public int RepeatedAddresses => addresses.Values.Count(times => times > 1);

    public int RepeatedDevices => devices.Values.Count(times => times > 1);

    public void Add(Sample sample)
    {
        Messages++;
        Count(addresses, sample.Address);
        Count(devices, sample.Device);
    }

    private static void Count(Dictionary<int, int> times, int? which)
    {
        if (which is { } key)
            times[key] = times.GetValueOrDefault(key) + 1;
    }
}
