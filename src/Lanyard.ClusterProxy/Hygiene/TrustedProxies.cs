using System.Net;

namespace Lanyard.ClusterProxy.Hygiene;

/// <summary>The networks whose word about the client's address is passed on.</summary>
internal sealed class TrustedProxies(IReadOnlyList<IPNetwork> networks)
{
    public static readonly TrustedProxies None = new([]);

    public bool Contains(IPAddress? peer)
    {
        if (peer is null || networks.Count == 0)
        {
            return false;
        }

        var address = peer.IsIPv4MappedToIPv6 ? peer.MapToIPv4() : peer;
        return networks.Any(n => n.Contains(address));
    }
}
