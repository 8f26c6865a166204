using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using Lanyard.Bench.Parts;

namespace Lanyard.Bench.Proxy;

/// <summary>Many open watches through a proxy, each on a connection of its own.</summary>
internal sealed class Watchers : IDisposable
{
    private readonly List<Stream> _streams = [];
    private readonly CancellationTokenSource _stop = new();
    private long _bytes;

    /// <summary>Opens watches and waits until each has had its first event.</summary>
    public async Task OpenAsync(ProxyTarget target, string token, int count, int eventsPerSecond)
    {
        const int atOnce = 50;
        var request = Encoding.ASCII.GetBytes(
            $"GET /api/v1/namespaces/shop/configmaps?watch=1&eventsPerSecond={eventsPerSecond} HTTP/1.1\r\nHost: {target.Url.Authority}\r\nAuthorization: Bearer {token}\r\n\r\n");
        for (var opened = 0; opened < count; opened += atOnce)
            await Task.WhenAll(Enumerable.Range(0, Math.Min(atOnce, count - opened)).Select(_ => OpenAsync(target.Url, request)));
    }

    /// <summary>Events a CPU-second of the proxy over the given time.</summary>
    public async Task<double> MeasureAsync(ProxyTarget target, TimeSpan duration)
    {
        var (cpu, bytes) = (Cpu.OfFamily(target.Process), Interlocked.Read(ref _bytes));
        await Task.Delay(duration, TimeProvider.System);
        return (Interlocked.Read(ref _bytes) - bytes) / (double)StreamUpstream.EventLength / (Cpu.OfFamily(target.Process) - cpu);
    }

    public void Dispose()
    {
        _stop.Cancel();
        _streams.ForEach(static stream => stream.Dispose());
        _stop.Dispose();
    }

    private async Task OpenAsync(Uri url, byte[] request)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Loopback, url.Port);
        Stream stream = new NetworkStream(socket, ownsSocket: true);
        if (url.Scheme == Uri.UriSchemeHttps)
        {
#pragma warning disable CA5359 // The benchmark's own certificate.
            var secured = new SslStream(stream, false, static (_, _, _, _) => true);
#pragma warning restore CA5359
            await secured.AuthenticateAsClientAsync("localhost");
            stream = secured;
        }
        lock (_streams)
            _streams.Add(stream);
        await stream.WriteAsync(request);
        var buffer = new byte[2048];
        var read = await stream.ReadAsync(buffer);
        var head = Encoding.ASCII.GetString(buffer, 0, read);
        if (!head.StartsWith("HTTP/1.1 200", StringComparison.Ordinal))
            throw new InvalidOperationException(read == 0 ? "the connection was closed without an answer" : head);
        var seen = read - (head.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4);
        while (seen < StreamUpstream.EventLength)
            seen += await stream.ReadAsync(buffer);
        _ = ReadAsync(stream, buffer);
    }

    private async Task ReadAsync(Stream stream, byte[] buffer)
    {
        try
        {
            for (int read; (read = await stream.ReadAsync(buffer, _stop.Token)) > 0;)
                Interlocked.Add(ref _bytes, read);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
        {
            // Closed.
        }
    }
}
