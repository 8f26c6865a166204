using Lanyard.ClusterProxy.Upstream;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.Upstream;

/// <summary>A pooled connection that the API server has ended meanwhile costs no caller anything, whichever way it ended.</summary>
[Line("3.3")]
[Line("3.6")]
public sealed class StaleConnectionTests
{
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    [Theory]
    [InlineData("FIN", false)]
    [InlineData("RST", false)]
    [InlineData("FIN", true)]
    [InlineData("RST", true)]
    public async Task A_GET_on_a_connection_that_ended_meanwhile_is_sent_again(string end, bool isSecure)
    {
        using var certificate = isSecure ? TestCertificates.Create() : null;
        var answered = new TaskCompletionSource();
        var ended = new TaskCompletionSource();
        await using var upstream = new RawUpstream(
            async c =>
            {
                await c.ReadHeadAsync();
                await c.WriteAsync(Ok);
                await answered.Task;
                if (end == "RST")
                {
                    c.Reset();
                }
                else
                {
                    c.Dispose();
                }

                ended.TrySetResult();
            },
            certificate);
        using var driver = new UpstreamDriver(new UpstreamOptions { Addresses = [upstream.Address], Tls = certificate is null ? null : UpstreamDriver.Trust(certificate) });
        Assert.Equal("ok", (await driver.SendAsync(UpstreamDriver.Get())).Body);

        // On loopback the end is there before the next head is written: with an RST it is the write that fails, not the read.
        answered.SetResult();
        await ended.Task;

        Assert.Equal((200, "ok", ""), await driver.SendAsync(UpstreamDriver.Get()));
        Assert.Equal(2, upstream.Connections);
    }
}
