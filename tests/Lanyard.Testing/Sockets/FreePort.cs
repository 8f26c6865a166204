using System.Net;
using System.Net.Sockets;

namespace Lanyard.Testing.Sockets;

/// <summary>A port of loopback for a process that must be told one before it starts.</summary>
public static class FreePort
{
    /// <summary>Free just now: somebody else may take it, as with every such number.</summary>
    public static int Take()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }
}
