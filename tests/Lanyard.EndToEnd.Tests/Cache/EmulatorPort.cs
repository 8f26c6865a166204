using System.Net;
using System.Net.Sockets;

namespace Lanyard.EndToEnd.Tests.Cache;

/// <summary>Listens at one of the ports that the SDK of Azure knows as those of storage emulators, and hands every connection on.</summary>
internal sealed class EmulatorPort : IDisposable
{
    private static readonly int[] Ports = [10_000, 10_001, 10_002, 10_003, 10_004, 10_100, 10_101, 10_102, 10_103, 10_104, 11_000, 11_001, 11_002, 11_003, 11_004];

    private readonly TcpListener _listener;

    private EmulatorPort(TcpListener listener, Uri to)
    {
        _listener = listener;
        _ = AcceptAsync(to);
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>At the first that is free.</summary>
    public static EmulatorPort To(Uri server)
    {
        foreach (var port in Ports)
        {
            var listener = new TcpListener(IPAddress.Loopback, port);
            try
            {
                listener.Start();
                return new EmulatorPort(listener, server);
            }
            catch (SocketException)
            {
                listener.Dispose();
            }
        }

        throw new InvalidOperationException("no port of an emulator is free");
    }

    public void Dispose() => _listener.Dispose();

    private async Task AcceptAsync(Uri to)
    {
        try
        {
            while (true) _ = RelayAsync(await _listener.AcceptTcpClientAsync(), to);
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // It is over.
        }
    }

    private static async Task RelayAsync(TcpClient client, Uri to)
    {
        try
        {
            using var server = new TcpClient();
            using (client)
            {
                await server.ConnectAsync(to.Host, to.Port);
                await Task.WhenAny(client.GetStream().CopyToAsync(server.GetStream()), server.GetStream().CopyToAsync(client.GetStream()));
            }
        }
        catch (Exception exception) when (exception is IOException or SocketException)
        {
            // Either has gone.
        }
    }
}
