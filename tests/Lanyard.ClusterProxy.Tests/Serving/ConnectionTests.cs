using System.Globalization;
using System.Net;
using System.Net.Security;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.Serving;

/// <summary>What becomes of clients' connections: who vanished is noticed, and who has no token does not stay.</summary>
public sealed class ConnectionTests
{
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    /// <summary>The kernel's own table tells of a timer that is set, and when it fires: without the socket's options it is none, with the kernel's values two hours.</summary>
    [Fact]
    [Line("3.6")]
    [Line("3.9")]
    public async Task A_stream_to_a_client_that_vanished_without_a_word_is_noticed_within_minutes()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "the table is Linux's");
        var end = new TaskCompletionSource();
        await using var upstream = new RawUpstream(async connection =>
        {
            await connection.ReadHeadAsync();
            await connection.WriteAsync("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            await end.Task;
        });
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address);
        using var watch = await proxy.ConnectAsync();
        await watch.WriteAsync($"GET /api/v1/pods?watch=1 HTTP/1.1\r\nHost: x\r\n{ProxyDriver.Bearer}\r\n");
        await watch.ReadHeadAsync();

        await Eventually.HoldsAsync(() => Task.FromResult(IsKept(proxy.Address.Port)), "a keep-alive timer of 30 s at most on the accepted connection");
        end.SetResult();
    }

    [Fact]
    [Line("3.5")]
    public async Task A_401_over_HTTP2_ends_the_connection_and_what_runs_on_it_is_finished()
    {
        using var certificate = TestCertificates.Create();
        var (arrived, go) = (new TaskCompletionSource(), new TaskCompletionSource());
        await using var upstream = new RawUpstream(async connection =>
        {
            while (await connection.ReadHeadAsync() is { } head)
            {
                if (head.StartLine.Contains("/slow", StringComparison.Ordinal))
                {
                    arrived.SetResult();
                    await go.Task;
                }

                await connection.WriteAsync(Ok);
            }
        });
        await using var proxy = await ProxyDriver.StartAsync(
            upstream.Address, certificate: () => new() { ServerCertificateContext = SslStreamCertificateContext.Create(certificate, null, offline: true) });
        using var client = new Http2Client(proxy.Address);
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync("good")).Code);
        var slow = client.GetAsync("good", path: "/slow");
        await arrived.Task;
        Assert.Equal(1, client.Connections);

        Assert.Equal(HttpStatusCode.Unauthorized, (await client.GetAsync("bad")).Code);

        await Eventually.HoldsAsync(async () => (await client.GetAsync("good")).Code == HttpStatusCode.OK && client.Connections == 2, "a new connection for the next request");
        Assert.False(slow.IsCompleted);
        go.SetResult();
        Assert.Equal((HttpStatusCode.OK, "ok"), await slow);
    }

    /// <summary>Columns of <c>/proc/net/tcp</c>: number, local and remote address, state (01: established), queues, timer (02: keep-alive) and its hundredths of a second.</summary>
    private static bool IsKept(int port) => File.ReadLines("/proc/net/tcp").Concat(File.ReadLines("/proc/net/tcp6")).Skip(1)
        .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        .Any(row => row.Length > 5 && row[1].EndsWith($":{port:X4}", StringComparison.Ordinal) && row[3] == "01"
            && row[5].StartsWith("02:", StringComparison.Ordinal) && int.Parse(row[5][3..], NumberStyles.HexNumber, CultureInfo.InvariantCulture) <= 3000);
}
