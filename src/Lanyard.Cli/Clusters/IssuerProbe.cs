using System.Net;
using Lanyard.Cli.Connection;

namespace Lanyard.Cli.Clusters;

/// <summary>
/// A guess, made from here, whether a server could fetch the issuer's keys: https on a public address, the system's roots, no login, and a
/// discovery document that names the very issuer. The server's trial decides.
/// </summary>
internal static class IssuerProbe
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);

    public static async Task<bool> IsReachableAsync(string issuer, CancellationToken cancellationToken)
    {
        if (!Uri.TryCreate(issuer, UriKind.Absolute, out var url) || url.Scheme != "https")
        {
            return false;
        }

        try
        {
            var addresses = await Dns.GetHostAddressesAsync(url.DnsSafeHost, cancellationToken);
            if (addresses.Length == 0 || !addresses.All(IsPublic))
            {
                return false;
            }

            using var http = Transport.Create(caFile: null);
            using var request = new HttpRequestMessage(HttpMethod.Get, issuer.TrimEnd('/') + "/.well-known/openid-configuration");
            using var response = await HttpCall.SendAsync(http, request, Limit, cancellationToken);
            return response.IsSuccessStatusCode && HttpCall.Member(await HttpCall.ReadTextAsync(response, cancellationToken), "issuer") == issuer;
        }
        catch (Exception exception) when (exception is System.Net.Sockets.SocketException or CommandStopped or IOException)
        {
            return false;
        }
    }

    private static bool IsPublic(IPAddress address)
    {
        var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        if (IPAddress.IsLoopback(plain) || plain.IsIPv6LinkLocal || plain.IsIPv6UniqueLocal || plain.IsIPv6Multicast)
        {
            return false;
        }

        var bytes = plain.GetAddressBytes();
        return bytes.Length == 16
            || !(bytes[0] is 0 or 10 or >= 224 || (bytes[0] == 172 && bytes[1] is >= 16 and < 32) || (bytes[0] == 192 && bytes[1] == 168)
                || (bytes[0] == 169 && bytes[1] == 254) || (bytes[0] == 100 && bytes[1] is >= 64 and < 128));
    }
}
