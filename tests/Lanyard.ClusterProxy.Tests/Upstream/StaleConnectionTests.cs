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

    /// <summary>An API server that goes has said so on every connection that rests: a GET on one would be thrown away, and sent twice where it is still read.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_GET_is_not_sent_on_a_connection_that_the_API_server_has_closed_while_it_rested(bool isSecure)
    {
        using var certificate = isSecure ? TestCertificates.Create() : null;
        var time = new ManualTime();
        var heads = 0;
        var closed = 0;
        await using var upstream = new RawUpstream(
            async c =>
            {
                while (await c.ReadHeadAsync() is not null)
                {
                    Interlocked.Increment(ref heads);
                    await c.WriteAsync(Ok);
                    await c.ShutdownSendAsync();
                    Interlocked.Increment(ref closed);
                }
            },
            certificate);
        using var driver = new UpstreamDriver(new UpstreamOptions { Addresses = [upstream.Address], Tls = certificate is null ? null : UpstreamDriver.Trust(certificate) }, time);

        for (var i = 1; i <= 3; i++)
        {
            Assert.Equal("ok", (await driver.SendAsync(UpstreamDriver.Get())).Body);
            await Eventually.HoldsAsync(() => Task.FromResult(Volatile.Read(ref closed) == i), "the API server has closed");
            time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.Equal((3, 3), (heads, upstream.Connections));
    }

    /// <summary>Else every request of a busy proxy would cost one system call more; what has ended in that moment is sent again.</summary>
    [Fact]
    public async Task A_connection_that_hardly_rested_is_used_without_a_look()
    {
        var heads = 0;
        var closed = 0;
        await using var upstream = new RawUpstream(async c =>
        {
            while (await c.ReadHeadAsync() is not null)
            {
                Interlocked.Increment(ref heads);
                if (closed == 0)
                {
                    await c.WriteAsync(Ok);
                    await c.ShutdownSendAsync();
                    closed = 1;
                }
                else if (heads == 3)
                {
                    await c.WriteAsync(Ok);
                }
            }
        });
        using var driver = new UpstreamDriver(new UpstreamOptions { Addresses = [upstream.Address] }, new ManualTime());
        await driver.SendAsync(UpstreamDriver.Get());
        await Eventually.HoldsAsync(() => Task.FromResult(Volatile.Read(ref closed) == 1), "the API server has closed");

        Assert.Equal("ok", (await driver.SendAsync(UpstreamDriver.Get())).Body);
        Assert.Equal((3, 2), (heads, upstream.Connections));
    }
}
