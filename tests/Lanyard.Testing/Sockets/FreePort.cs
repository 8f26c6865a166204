using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Lanyard.Testing.Sockets;

/// <summary>A port of loopback for a process that must be told one before it starts.</summary>
public static class FreePort
{
    /// <summary>Below those that Linux gives to outgoing connections and to port 0 (32768 and up), and below the node ports of Kubernetes (30000 and up): nobody gets one by chance.</summary>
    private const int First = 20_000;
    private const int End = 30_000;
    private const int Tries = 1000;

    private static readonly ConcurrentDictionary<int, bool> Given = new();

    /// <summary>Free just now, and given to nobody else in this process; another process that asks for one at the same time gets the same with one chance in ten thousand.</summary>
    /// <exception cref="InvalidOperationException">None was found.</exception>
    public static int Take()
    {
        for (var i = 0; i < Tries; i++)
        {
            var port = RandomNumberGenerator.GetInt32(First, End);
            if (IsFree(port) && Given.TryAdd(port, true)) return port;
        }

        throw new InvalidOperationException($"no free port between {First} and {End}");
    }

    private static bool IsFree(int port)
    {
        try
        {
            using var probe = new TcpListener(IPAddress.Loopback, port);
            probe.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
