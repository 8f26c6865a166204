using System.Net;
using Lanyard.ClusterProxy.Hygiene;
using Microsoft.AspNetCore.Http;

namespace Lanyard.ClusterProxy.Forwarding;

/// <summary>The client's address: the peer's, or, behind trusted proxies, the nearest that is none of them (X-Forwarded-For from right to left).</summary>
internal static class ClientAddress
{
    public static string? Of(HttpContext context, TrustedProxies trusted)
    {
        var address = context.Connection.RemoteIpAddress;
        var hops = context.Request.Headers["X-Forwarded-For"].ToString().Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        for (var i = hops.Length - 1; i >= 0 && trusted.Contains(address) && IPAddress.TryParse(hops[i], out var before); i--)
        {
            address = before;
        }

        return address is null ? null : (address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address).ToString();
    }
}
