using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using Lanyard.ClusterProxy.Tls;

namespace Lanyard.ClusterProxy.Upstream;

/// <summary>Opens connections: addresses in turn, those that refused lately last.</summary>
internal sealed class UpstreamDialer(UpstreamOptions options, TimeProvider time, int generation)
{
    public int Count => options.Addresses.Count;

    public string Name(int index) => options.Addresses[index].Authority;

    /// <summary>Refused a connection lately, or was found unhealthy.</summary>
    public bool IsDown(int index) => Volatile.Read(ref _downUntil[index]) > time.GetTimestamp();

    /// <summary>What a health check found; a down address is tried last until <paramref name="until"/> is over or a check finds it well.</summary>
    /// <returns>True when that is news.</returns>
    public bool Mark(int index, bool isUp, TimeSpan until)
    {
        var was = IsDown(index);
        Volatile.Write(ref _downUntil[index], isUp ? 0 : time.GetTimestamp() + (long)(until.TotalSeconds * time.TimestampFrequency));
        return was == isUp;
    }

    private readonly long[] _downUntil = new long[options.Addresses.Count];

    /// <summary>One for each address; null without TLS.</summary>
    private readonly ServerName[]? _names = options.Tls is { } tls ? [.. options.Addresses.Select(_ => new ServerName(tls))] : null;
    private int _turn = -1;

    /// <exception cref="UpstreamException">Unreachable: no address took the connection.</exception>
    public async ValueTask<UpstreamConnection> ConnectAsync(CancellationToken cancellation)
    {
        Exception? last = null;
        foreach (var index in Order())
        {
            try
            {
                var connection = await ConnectAsync(index, cancellation);
                Volatile.Write(ref _downUntil[index], 0);
                return connection;
            }
            catch (Exception e) when (e is SocketException or IOException or AuthenticationException or TimeoutException)
            {
                last = e;
                Volatile.Write(ref _downUntil[index], time.GetTimestamp() + (long)(options.DownTime.TotalSeconds * time.TimestampFrequency));
            }
        }

        throw new UpstreamException(UpstreamFault.Unreachable, $"no API server address accepts connections: {last?.Message}", last);
    }

    private IEnumerable<int> Order()
    {
        var count = _downUntil.Length;
        if (count == 1)
        {
            return [0];
        }

        var first = (int)((uint)Interlocked.Increment(ref _turn) % (uint)count);
        var now = time.GetTimestamp();
        return Enumerable.Range(0, count).Select(i => (first + i) % count).OrderBy(i => Volatile.Read(ref _downUntil[i]) > now ? 1 : 0);
    }

    public async ValueTask<UpstreamConnection> ConnectAsync(int index, CancellationToken cancellation)
    {
        using var deadline = new CancellationTokenSource(options.ConnectTimeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellation);
        try
        {
            return await OpenAsync(index, both.Token);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new TimeoutException($"no connection to {options.Addresses[index].Authority} within {options.ConnectTimeout.TotalSeconds} s");
        }
    }

    private async ValueTask<UpstreamConnection> OpenAsync(int index, CancellationToken cancellation)
    {
        var name = _names?[index];
        var tls = name?.Options;
        try
        {
            return await OpenAsync(index, name, tls, cancellation);
        }
        catch (Exception e) when ((e is AuthenticationException or IOException) && tls is not null && name!.Unlearn(tls))
        {
            return await OpenAsync(index, name, name.Options, cancellation);
        }
    }

    private async ValueTask<UpstreamConnection> OpenAsync(int index, ServerName? name, SslClientAuthenticationOptions? tls, CancellationToken cancellation)
    {
        var address = options.Addresses[index];
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            VanishedPeers.Notice(socket);
            await socket.ConnectAsync(new DnsEndPoint(address.IdnHost, address.Port), cancellation);
            Stream stream = new NetworkStream(socket, ownsSocket: true);
            if (tls is not null)
            {
                var secured = new SslStream(stream, leaveInnerStreamOpen: false);
                await secured.AuthenticateAsClientAsync(tls, cancellation);
                name!.Learn(secured);
                TlsBuffers.ReleaseWhenIdle(secured);
                stream = secured;
            }

            return new UpstreamConnection(socket, stream, generation) { Address = index };
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
