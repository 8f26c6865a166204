using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Lanyard.Identity.Federation;

/// <summary>Which addresses a fetch that somebody else's text caused may connect to: public unicast only (IANA special-purpose registries).</summary>
public static class AddressRules
{
    private static readonly IPNetwork[] NotPublic =
    [
        .. new[]
        {
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
            "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
            "::/128", "::1/128", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
        }.Select(IPNetwork.Parse),
    ];

    public static bool IsPublic(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        if (address.IsIPv4MappedToIPv6) return IsPublic(address.MapToIPv4());
        foreach (var network in NotPublic)
            if (network.Contains(address)) return false;
        // An IPv4 address inside an IPv6 one (NAT64, 6to4, IPv4-compatible) is where a translator would connect to.
        return address.AddressFamily != AddressFamily.InterNetworkV6 || Embedded(address) is not { } inner || IsPublic(inner);
    }

    private static IPAddress? Embedded(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out _);
        if (bytes.StartsWith((ReadOnlySpan<byte>)[0x00, 0x64, 0xff, 0x9b])) return new IPAddress(bytes[12..]);
        if (BinaryPrimitives.ReadUInt16BigEndian(bytes) == 0x2002) return new IPAddress(bytes.Slice(2, 4));
        return bytes[..12].IndexOfAnyExcept((byte)0) < 0 ? new IPAddress(bytes[12..]) : null;
    }
}
