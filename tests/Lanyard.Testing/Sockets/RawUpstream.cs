using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;

namespace Lanyard.Testing.Sockets;

/// <summary>
/// A server on a loopback port that gives each connection to a script. It is the API server of the proxy's tests where the real one
/// can't show what stood on the wire: header lines are counted, not values.
/// </summary>
public sealed class RawUpstream : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Func<RawConnection, Task> _serve;
    private readonly X509Certificate2? _certificate;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentBag<RawConnection> _open = [];
    private readonly Task _accepting;
    private int _connections;

    /// <summary>Another certificate for who asks for that name (SNI; null: for none). Null for the usual one.</summary>
    public Func<string?, X509Certificate2?>? CertificateFor { get; set; }

    /// <summary>What clients asked for in their handshakes (SNI), in their order; null for who named nobody.</summary>
    public ConcurrentQueue<string?> ServerNames { get; } = new();

    public RawUpstream(Func<RawConnection, Task> serve, X509Certificate2? certificate = null)
    {
        _serve = serve;
        _certificate = certificate;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>Heads in the order they were read by <see cref="Answering"/>.</summary>
    public ConcurrentQueue<RawHead> Heads { get; } = new();

    public int Connections => Volatile.Read(ref _connections);

    public Uri Address => new($"{(_certificate is null ? "http" : "https")}://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}");

    /// <summary>Answers every request on every connection with the same bytes, reading request bodies that have a length or chunks.</summary>
    public static RawUpstream Answering(string answer, X509Certificate2? certificate = null) => Answering(_ => answer, certificate);

    public static RawUpstream Answering(Func<RawHead, string> answer, X509Certificate2? certificate = null)
    {
        RawUpstream? self = null;
        self = new RawUpstream(
            async connection =>
            {
                while (await connection.ReadHeadAsync() is { } head)
                {
                    await connection.ReadBodyAsync(head);
                    self!.Heads.Enqueue(head);
                    await connection.WriteAsync(answer(head));
                }
            },
            certificate);
        return self;
    }

    /// <summary>Stops listening; connections that stand go on.</summary>
    public void StopListening() => _listener.Stop();

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
        await _accepting;
        foreach (var connection in _open)
        {
            connection.Dispose();
        }
    }

    private async Task AcceptAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                var socket = await _listener.AcceptSocketAsync(_stop.Token);
                Interlocked.Increment(ref _connections);
                _ = ServeAsync(socket);
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException or InvalidOperationException)
            {
                return;
            }
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        try
        {
            socket.NoDelay = true;
            Stream stream = new NetworkStream(socket, ownsSocket: true);
            if (_certificate is not null)
            {
                var tls = new SslStream(stream);
                await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
                {
                    ServerCertificateSelectionCallback = (_, name) =>
                    {
                        ServerNames.Enqueue(name);
                        return CertificateFor?.Invoke(name) ?? _certificate;
                    },
                    ApplicationProtocols = [SslApplicationProtocol.Http11],
                });
                stream = tls;
            }

            using var connection = new RawConnection(socket, stream);
            _open.Add(connection);
            await _serve(connection);
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or System.Security.Authentication.AuthenticationException)
        {
            // The other side went away: what it saw is what the test asserts.
        }
    }
}
