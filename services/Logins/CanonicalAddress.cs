using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;

namespace PiiMasking.Logins;

/// <summary>
/// The one text of an IP address, whatever the spelling it came in: two spellings masked as they stand would be two tokens, for good.
/// </summary>
/// <remarks>
/// IPv4 is four decimal parts without leading zeros. IPv6 follows RFC 5952 section 4, hexadecimal groups only; an IPv4-mapped address
/// is the IPv4 address, since it is the same client seen through a dual-stack socket. Any range is an address: multicast, reserved and
/// loopback are real data. What readers disagree about (octal, hexadecimal and short IPv4, zones, ports, brackets, prefixes) is refused;
/// <see cref="System.Net.IPAddress.TryParse(string?, out System.Net.IPAddress?)"/> takes all of these. The rules are part of the masking
/// key: they change only together with a new key and a rewrite of every row.
/// </remarks>
public static class CanonicalAddress
{
    /// <summary>Length of the longest canonical text, eight full groups.</summary>
    public const int MaxLength = 39;

    private const int Groups = 8;

    private static readonly SearchValues<char> Characters = SearchValues.Create("0123456789abcdefABCDEF:.");

    /// <summary>Writes the canonical text of an address.</summary>
    /// <param name="text">As received; ASCII white space around it is dropped.</param>
    /// <param name="canonical">The canonical text, or empty.</param>
    /// <returns>False if the text is no address; nothing is thrown, whatever it is.</returns>
    public static bool TryFormat(ReadOnlySpan<char> text, out string canonical)
    {
        Span<char> buffer = stackalloc char[MaxLength];
        var found = TryFormat(text, buffer, out var length);
        canonical = found ? new string(buffer[..length]) : "";
        return found;
    }

    /// <summary>As the other overload, into a buffer of at least <see cref="MaxLength"/> characters.</summary>
    public static bool TryFormat(ReadOnlySpan<char> text, Span<char> destination, out int length)
    {
        length = 0;
        text = text.Trim(AsciiSpace.Characters);
        // Checked first, since .NET's number parsers overlook U+0000 at the end.
        if (text.ContainsAnyExcept(Characters))
            return false;

        Span<byte> v4 = stackalloc byte[4];
        if (TryParseV4(text, v4))
            return FormatV4(v4, destination, out length);

        Span<ushort> v6 = stackalloc ushort[Groups];
        if (!TryParseV6(text, v6))
            return false;

        if (v6[..5].ContainsAnyExcept((ushort)0) || v6[5] != 0xffff)
            return FormatV6(v6, destination, out length);
        BinaryPrimitives.WriteUInt16BigEndian(v4, v6[6]);
        BinaryPrimitives.WriteUInt16BigEndian(v4[2..], v6[7]);
        return FormatV4(v4, destination, out length);
    }

    private static bool TryParseV4(ReadOnlySpan<char> text, Span<byte> address)
    {
        var parts = 0;
        foreach (var range in text.Split('.'))
        {
            var part = text[range];
            // "010" is 8 to some readers and 10 to others.
            if (parts == 4 || part.Length is 0 or > 3 || (part[0] == '0' && part.Length > 1)
                || !byte.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out address[parts]))
            {
                return false;
            }

            parts++;
        }

        return parts == 4;
    }

    private static bool TryParseV6(ReadOnlySpan<char> text, Span<ushort> address)
    {
        address.Clear();
        var gap = text.IndexOf("::");
        if (gap < 0)
            return TryParseGroups(text, address, out var all) && all == Groups;

        // The gap stands for at least one group; a second gap leaves an empty group in the tail and is refused there.
        Span<ushort> tail = stackalloc ushort[Groups];
        var before = text[..gap];
        var after = text[(gap + 2)..];
        var (headCount, tailCount) = (0, 0);
        if (before.Length > 0 && (before.Contains('.') || !TryParseGroups(before, address, out headCount)))
            return false;
        if (after.Length > 0 && !TryParseGroups(after, tail, out tailCount))
            return false;
        if (headCount + tailCount >= Groups)
            return false;
        address[headCount..].Clear();
        tail[..tailCount].CopyTo(address[(Groups - tailCount)..]);
        return true;
    }

    /// <summary>Groups of one to four hexadecimal digits; the last may be an IPv4 address and counts as two.</summary>
    private static bool TryParseGroups(ReadOnlySpan<char> text, Span<ushort> groups, out int count)
    {
        count = 0;
        foreach (var range in text.Split(':'))
        {
            var part = text[range];
            if (part.Contains('.'))
            {
                Span<byte> v4 = stackalloc byte[4];
                if (range.End.Value != text.Length || count > Groups - 2 || !TryParseV4(part, v4))
                    return false;
                groups[count++] = BinaryPrimitives.ReadUInt16BigEndian(v4);
                groups[count++] = BinaryPrimitives.ReadUInt16BigEndian(v4[2..]);
                return true;
            }

            if (count == Groups || part.Length is 0 or > 4
                || !ushort.TryParse(part, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out groups[count]))
            {
                return false;
            }

            count++;
        }

        return true;
    }

    private static bool FormatV4(ReadOnlySpan<byte> address, Span<char> destination, out int length) =>
        destination.TryWrite(CultureInfo.InvariantCulture, $"{address[0]}.{address[1]}.{address[2]}.{address[3]}", out length);

    private static bool FormatV6(ReadOnlySpan<ushort> address, Span<char> destination, out int length)
    {
        var (gap, gapLength) = LongestZeroRun(address);
        length = 0;
        for (var group = 0; group < Groups; group++)
        {
            if (group == gap)
            {
                destination[length++] = ':';
                destination[length++] = ':';
                group += gapLength - 1;
                continue;
            }

            if (group > 0 && group != gap + gapLength)
                destination[length++] = ':';
            address[group].TryFormat(destination[length..], out var written, "x", CultureInfo.InvariantCulture);
            length += written;
        }

        return true;
    }

    /// <summary>Longest run of two or more zero groups, the first on a tie; one group alone is never shortened (RFC 5952 section 4.2).</summary>
    private static (int Start, int Length) LongestZeroRun(ReadOnlySpan<ushort> address)
    {
        var best = (Start: -1, Length: 1);
        for (var start = 0; start < Groups; start++)
        {
            var run = address[start..].IndexOfAnyExcept((ushort)0) is var end and >= 0 ? end : Groups - start;
            if (run > best.Length)
                best = (start, run);
        }

        return best.Start < 0 ? (-1, 0) : best;
    }
}
