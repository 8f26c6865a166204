using System.Net.Sockets;
using System.Text;
using Lanyard.ClusterProxy.Limits;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.Serving;

[Line("3.6")]
public sealed class ManyWatchesTests
{
    private const int Rounds = 4;
    private const int Watches = 2000;
    private static readonly byte[] Request = Encoding.ASCII.GetBytes("GET /api/v1/pods?watch=1 HTTP/1.1\r\nHost: x\r\n" + ProxyDriver.Bearer + "\r\n");

    /// <summary>Two thousand at a time, each open on both sides of the proxy in this one process; when the clients go, nothing of them is left, and the next request is served.</summary>
    [Fact]
    public async Task Eight_thousand_watches_are_opened_and_cut_and_leave_nothing_behind()
    {
        var ended = 0;
        await using var upstream = new RawUpstream(async connection =>
        {
            var head = await connection.ReadHeadAsync();
            if (head?.StartLine.Contains("watch", StringComparison.Ordinal) != true)
            {
                await connection.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
                return;
            }

            await connection.WriteAsync("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n");
            try
            {
                while (await connection.Stream.ReadAsync(new byte[1]) > 0)
                {
                    // Until the proxy ends it.
                }
            }
            finally
            {
                Interlocked.Increment(ref ended);
            }
        });
        Admission? admission = null;
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address, admitted: a => admission = a);
        for (var round = 1; round <= Rounds; round++)
        {
            var open = new List<Socket>();
            for (var batch = 0; batch < Watches / 100; batch++)
            {
                open.AddRange(await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => OpenAsync(proxy.Address))));
            }

            Assert.Equal(Watches, admission!.LongRunning);
            foreach (var socket in open)
            {
                socket.LingerState = new LingerOption(true, 0);
                socket.Dispose();
            }

            var all = round * Watches;
            await Eventually.HoldsAsync(() => Task.FromResult(admission.LongRunning == 0 && Volatile.Read(ref ended) == all), "every watch is over on both sides", TimeSpan.FromMinutes(2));
        }

        Assert.Equal("HTTP/1.1 200 OK", (await proxy.SendAsync($"GET /api HTTP/1.1\r\nHost: x\r\n{ProxyDriver.Bearer}\r\n")).Head.StartLine);
    }

    private static async Task<Socket> OpenAsync(Uri address)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(address.Host, address.Port);
        await socket.SendAsync(Request);
        var buffer = new byte[512];
        var seen = "";
        while (!seen.Contains("{}", StringComparison.Ordinal))
        {
            var count = await socket.ReceiveAsync(buffer);
            Assert.NotEqual(0, count);
            seen += Encoding.ASCII.GetString(buffer, 0, count);
        }

        return socket;
    }
}
