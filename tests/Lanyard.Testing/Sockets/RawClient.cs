using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;

namespace Lanyard.Testing.Sockets;

/// <summary>Connects by hand, so that a test sends exactly the bytes it means.</summary>
public static class RawClient
{
    /// <param name="trusted">For https: the one certificate that is believed.</param>
    public static async Task<RawConnection> ConnectAsync(Uri address, X509Certificate2? trusted = null)
    {
        ArgumentNullException.ThrowIfNull(address);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(address.Host, address.Port);
        Stream stream = new NetworkStream(socket, ownsSocket: true);
        if (address.Scheme == Uri.UriSchemeHttps)
        {
            var tls = new SslStream(stream);
            await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
            {
                TargetHost = address.Host,
                ApplicationProtocols = [SslApplicationProtocol.Http11],
                RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate?.GetCertHashString() == trusted?.GetCertHashString(),
            });
            stream = tls;
        }

        return new RawConnection(socket, stream);
    }
}
