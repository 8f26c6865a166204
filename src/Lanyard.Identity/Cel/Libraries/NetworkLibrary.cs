using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Lanyard.Identity.Cel.Libraries;

/// <summary>Kubernetes' IP addresses and CIDR ranges. Zones, IPv4-mapped IPv6 addresses and leading zeros are refused.</summary>
internal static class NetworkLibrary
{
    private static readonly CelType Ip = CelType.Opaque("net.IP");
    private static readonly CelType Cidr = CelType.Opaque("net.CIDR");

    public static CelLibrary Library { get; } = new(
        "network",
        CelOverload.Function("ip", (ref _, in a) => ToIp(a.AsString), Ip, CelType.String),
        CelOverload.Function("isIP", (ref _, in a) => CelValue.Of(ParseIp(a.AsString) is not null), CelType.Bool, CelType.String),
        CelOverload.Function("ip.isCanonical", IsCanonical, CelType.Bool, CelType.String),
        CelOverload.Function("string", (ref _, in a) => CelValue.Of(((CelOpaque)a.Ref!).Text), CelType.String, Ip),
        CelOverload.Function("string", (ref _, in a) => CelValue.Of(((CelOpaque)a.Ref!).Text), CelType.String, Cidr),
        CelOverload.Member("family", (ref _, in a) => CelValue.Of(IsV4(AddressOf(a)) ? 4L : 6L), CelType.Int, Ip),
        OfIp("isUnspecified", a => a.All(b => b == 0)),
        OfIp("isLoopback", IsLoopback),
        OfIp("isLinkLocalMulticast", IsLinkLocalMulticast),
        OfIp("isLinkLocalUnicast", IsLinkLocalUnicast),
        OfIp("isGlobalUnicast", IsGlobalUnicast),
        CelOverload.Function("cidr", (ref _, in a) => ToCidr(a.AsString), Cidr, CelType.String),
        CelOverload.Function("isCIDR", (ref _, in a) => CelValue.Of(!ToCidr(a.AsString).IsError), CelType.Bool, CelType.String),
        CelOverload.Member("containsIP", (ref _, in a, in b) => ContainsIp(a, b), CelType.Bool, Cidr, Ip),
        CelOverload.Member("containsIP", (ref _, in a, in b) => ToIp(b.AsString) is { IsError: false } ip ? ContainsIp(a, ip) : ToIp(b.AsString), CelType.Bool, Cidr, CelType.String),
        CelOverload.Member("containsCIDR", (ref _, in a, in b) => ContainsCidr(a, b), CelType.Bool, Cidr, Cidr),
        CelOverload.Member("containsCIDR", (ref _, in a, in b) => ToCidr(b.AsString) is { IsError: false } range ? ContainsCidr(a, range) : ToCidr(b.AsString), CelType.Bool, Cidr, CelType.String),
        CelOverload.Member("ip", (ref _, in a) => FromBytes(PrefixOf(a).Address), Ip, Cidr),
        CelOverload.Member("prefixLength", (ref _, in a) => CelValue.Of((long)PrefixOf(a).Length), CelType.Int, Cidr),
        CelOverload.Member("masked", (ref _, in a) => FromPrefix(new Prefix(Mask(PrefixOf(a)), PrefixOf(a).Length)), Cidr, Cidr))
    {
        Types = [Ip, Cidr],
    };

    private static CelOverload OfIp(string name, Func<byte[], bool> test) =>
        CelOverload.Member(name, (ref _, in a) => CelValue.Of(test(AddressOf(a))), CelType.Bool, Ip);

    private static byte[] AddressOf(in CelValue value) => IPAddress.Parse((string)((CelOpaque)value.Ref!).Value).GetAddressBytes();

    private static Prefix PrefixOf(in CelValue value) => (Prefix)((CelOpaque)value.Ref!).Value;

    private static bool IsV4(byte[] address) => address.Length == 4;

    private static CelValue ToIp(string text) =>
        ParseIp(text) is { } address ? FromBytes(address) : CelValue.Error("the text is no IP address (zones, IPv4-mapped addresses and leading zeros are not allowed)");

    private static CelValue FromBytes(byte[] address)
    {
        var text = Canonical(address);
        return CelValue.Of(new CelOpaque(Ip, text, text));
    }

    private static CelValue FromPrefix(Prefix prefix) =>
        CelValue.Of(new CelOpaque(Cidr, prefix, string.Create(CultureInfo.InvariantCulture, $"{Canonical(prefix.Address)}/{prefix.Length}")));

    private static CelValue IsCanonical(ref CelFrame frame, in CelValue a) =>
        ParseIp(a.AsString) is { } address ? CelValue.Of(Canonical(address) == a.AsString) : ToIp(a.AsString);

    private static byte[]? ParseIp(string text)
    {
        if (text.Length > 45 || text.AsSpan().ContainsAnyExcept(AddressCharacters))
        {
            return null;
        }

        if (!text.Contains(':', StringComparison.Ordinal))
        {
            return ParseV4(text);
        }

        var dotted = text[(text.LastIndexOf(':') + 1)..];
        return (!dotted.Contains('.', StringComparison.Ordinal) || ParseV4(dotted) is not null)
            && IPAddress.TryParse(text, out var address) && address.AddressFamily == AddressFamily.InterNetworkV6 && !address.IsIPv4MappedToIPv6
            ? address.GetAddressBytes()
            : null;
    }

    private static readonly System.Buffers.SearchValues<char> AddressCharacters = System.Buffers.SearchValues.Create("0123456789abcdefABCDEF.:");

    // The platform's parser takes 1.2, octal and hexadecimal numbers too.
    private static byte[]? ParseV4(string text)
    {
        var parts = text.Split('.');
        var address = new byte[4];
        for (var i = 0; i < 4; i++)
        {
            if (parts.Length != 4 || (parts[i].Length > 1 && parts[i][0] == '0')
                || !byte.TryParse(parts[i], NumberStyles.None, CultureInfo.InvariantCulture, out address[i]))
            {
                return null;
            }
        }

        return address;
    }

    // RFC 5952: lower case, the first longest run of two or more zero groups shortened.
    private static string Canonical(byte[] address)
    {
        if (IsV4(address))
        {
            return string.Join('.', address);
        }

        var groups = Enumerable.Range(0, 8).Select(i => (address[2 * i] << 8) | address[(2 * i) + 1]).ToArray();
        var (start, length) = (-1, 1);
        for (var i = 0; i < 8; i++)
        {
            var run = groups.Skip(i).TakeWhile(g => g == 0).Count();
            if (run > length)
            {
                (start, length) = (i, run);
            }
        }

        var text = new StringBuilder(39);
        for (var i = 0; i < 8; i++)
        {
            if (i == start)
            {
                text.Append("::");
                i += length - 1;
                continue;
            }

            text.Append(text.Length > 0 && text[^1] != ':' ? ":" : "").Append(CultureInfo.InvariantCulture, $"{groups[i]:x}");
        }

        return text.ToString();
    }

    private static bool IsLoopback(byte[] a) => IsV4(a) ? a[0] == 127 : a[15] == 1 && a.Take(15).All(b => b == 0);

    private static bool IsLinkLocalMulticast(byte[] a) => IsV4(a) ? a is [224, 0, 0, _] : a[0] == 0xFF && (a[1] & 0x0F) == 2;

    private static bool IsLinkLocalUnicast(byte[] a) => IsV4(a) ? a is [169, 254, ..] : a[0] == 0xFE && (a[1] & 0xC0) == 0x80;

    private static bool IsGlobalUnicast(byte[] a)
    {
        var multicast = IsV4(a) ? a[0] is >= 224 and < 240 : a[0] == 0xFF;
        var broadcast = IsV4(a) && a.All(b => b == 255);
        return !multicast && !broadcast && !a.All(b => b == 0) && !IsLoopback(a) && !IsLinkLocalUnicast(a);
    }

    private static CelValue ToCidr(string text)
    {
        var slash = text.LastIndexOf('/');
        var address = slash < 0 ? null : ParseIp(text[..slash]);
        var digits = slash < 0 ? "" : text[(slash + 1)..];
        return address is not null && digits is not (['0', _, ..])
            && int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var length) && length <= address.Length * 8
            ? FromPrefix(new Prefix(address, length))
            : CelValue.Error("the text is no address range in CIDR notation");
    }

    private static byte[] Mask(Prefix prefix, byte[]? address = null)
    {
        var masked = (byte[])(address ?? prefix.Address).Clone();
        for (var i = 0; i < masked.Length; i++)
        {
            var bits = Math.Clamp(prefix.Length - (8 * i), 0, 8);
            masked[i] &= (byte)(0xFF << (8 - bits));
        }

        return masked;
    }

    private static bool Contains(Prefix prefix, byte[] address) =>
        address.Length == prefix.Address.Length && Mask(prefix, address).AsSpan().SequenceEqual(Mask(prefix));

    private static CelValue ContainsIp(in CelValue range, in CelValue ip) => CelValue.Of(Contains(PrefixOf(range), AddressOf(ip)));

    private static CelValue ContainsCidr(in CelValue range, in CelValue other)
    {
        var (outer, inner) = (PrefixOf(range), PrefixOf(other));
        return CelValue.Of(outer.Length <= inner.Length && Contains(outer, inner.Address));
    }

    private sealed class Prefix(byte[] address, int length)
    {
        public byte[] Address => address;

        public int Length => length;

        public override bool Equals(object? obj) => obj is Prefix other && length == other.Length && address.AsSpan().SequenceEqual(other.Address);

        public override int GetHashCode() => HashCode.Combine(length, address[0]);
    }
}
