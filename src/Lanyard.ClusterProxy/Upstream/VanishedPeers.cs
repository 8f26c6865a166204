using System.Net.Sockets;

namespace Lanyard.ClusterProxy.Upstream;

/// <summary>A peer that vanished without a word is noticed within two minutes, on both sides of the proxy; an idle watch or exec on a living peer lasts for ever.</summary>
internal static class VanishedPeers
{
    /// <param name="socket">One that connects, or one that listens: on Linux what it accepts inherits the options.</param>
    public static void Notice(Socket socket)
    {
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 30);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 15);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 6);
    }
}
