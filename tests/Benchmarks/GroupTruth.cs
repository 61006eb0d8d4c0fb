using System.Globalization;
using PiiMasking.Contracts;
using PiiMasking.Logins;

namespace PiiMasking.Benchmarks;

/// <summary>How many logins have which value: at least those that are known to be committed, at most those that were sent.</summary>
/// <param name="rows">About how many there will be; some four share an address, some three a device.</param>
internal sealed class GroupTruth(int rows)
{
    private readonly Counts ips = new((rows / 4) + 1);
    private readonly Counts deviceIds = new((rows / 3) + 1);

    /// <summary>A login with values that others have as well.</summary>
    public LoginMessage Make(DateTimeOffset sentAt)
    {
        var (ip, deviceId) = (Random.Shared.Next(ips.Length), Random.Shared.Next(deviceIds.Length));
        Interlocked.Increment(ref ips.Sent[ip]);
        Interlocked.Increment(ref deviceIds.Sent[deviceId]);
        return new LoginMessage(
            Guid.NewGuid(), sentAt, new Login(Guid.NewGuid().ToString(), "android", new Pii(Ip(ip)), new Pii(DeviceId(deviceId)), "RU", 2_000_000), null);
    }

    /// <summary>From here on every reader has to see them.</summary>
    public void AreStored(IEnumerable<LoginMessage> messages)
    {
        foreach (var login in messages.Select(message => message.Login!))
        {
            Interlocked.Increment(ref ips.Stored[NumberOf(login.Ip.Expose())]);
            Interlocked.Increment(ref deviceIds.Stored[NumberOf(login.DeviceId.Expose())]);
        }
    }

    /// <summary>What is known now, before a reader reads.</summary>
    public (int[] Ips, int[] DeviceIds) StoredSoFar() => ((int[])ips.Stored.Clone(), (int[])deviceIds.Stored.Clone());

    /// <summary>Whether groups that a reader saw, by value and size, are the truth.</summary>
    /// <param name="isIp">Addresses, else device ids.</param>
    /// <param name="groups">Those with more than one login.</param>
    /// <param name="storedBefore">What was known before it read.</param>
    public bool Holds(bool isIp, IReadOnlyCollection<(string Value, long Logins)> groups, int[] storedBefore)
    {
        var (sent, seen) = (isIp ? ips.Sent : deviceIds.Sent, new bool[storedBefore.Length]);
        foreach (var (value, logins) in groups)
        {
            var number = NumberOf(value);
            // Seen twice: equal values with different tokens.
            if (seen[number] || logins < storedBefore[number] || logins > sent[number])
                return false;
            seen[number] = true;
        }

        for (var number = 0; number < seen.Length; number++)
        {
            if (storedBefore[number] > 1 && !seen[number])
                return false;
        }

        return true;
    }

    private static string Ip(int number) =>
        string.Create(CultureInfo.InvariantCulture, $"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}");

    private static string DeviceId(int number) => string.Create(CultureInfo.InvariantCulture, $"device-{number:00000000}");

    private static int NumberOf(string value)
    {
        if (value.StartsWith("device-", StringComparison.Ordinal))
            return int.Parse(value.AsSpan(7), CultureInfo.InvariantCulture);
        var parts = value.Split('.');
        return (int.Parse(parts[1], CultureInfo.InvariantCulture) << 16) + (int.Parse(parts[2], CultureInfo.InvariantCulture) << 8)
            + int.Parse(parts[3], CultureInfo.InvariantCulture);
    }

    private sealed class Counts(int length)
    {
        public int Length => length;

        public int[] Sent { get; } = new int[length];

        public int[] Stored { get; } = new int[length];
    }
}
