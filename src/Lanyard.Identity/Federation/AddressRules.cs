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
            "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3", "2001::/23", "2001:db8::/32", "3fff::/20",
        }.Select(IPNetwork.Parse),
    ];

    private static readonly IPNetwork GlobalUnicast = IPNetwork.Parse("2000::/3");

    /// <summary>RFC 6052 §2.1. The prefix for local use beside it (64:ff9b:1::/48, RFC 8215) leads inside and is not public.</summary>
    private static readonly IPNetwork Nat64 = IPNetwork.Parse("64:ff9b::/96");

    private static readonly IPNetwork SixToFour = IPNetwork.Parse("2002::/16");

    public static bool IsPublic(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        if (address.IsIPv4MappedToIPv6) return IsPublic(address.MapToIPv4());
        foreach (var network in NotPublic)
            if (network.Contains(address)) return false;
        if (address.AddressFamily == AddressFamily.InterNetwork) return true;

        // An IPv4 address inside an IPv6 one is where a translator would connect to.
        if (Nat64.Contains(address)) return IsPublic(Embedded(address, 12));
        return SixToFour.Contains(address) ? IsPublic(Embedded(address, 2)) : GlobalUnicast.Contains(address);
    }

    private static IPAddress Embedded(IPAddress address, int offset)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out _);
        return new IPAddress(bytes.Slice(offset, 4));
    }
}
