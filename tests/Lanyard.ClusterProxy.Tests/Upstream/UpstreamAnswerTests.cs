using Lanyard.ClusterProxy.Upstream;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.Upstream;

/// <summary>Answers of an API server: where they end, and what is none.</summary>
[Line("3.3")]
public sealed class UpstreamAnswerTests
{
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0A;x=y\r\n0123456789\r\n0\r\n\r\n", "abc0123456789", "")]
    [InlineData("HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 7\r\nY: z\r\n\r\n", "a", "X-Sum: 7\r\nY: z\r\n")]
    [InlineData("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", "")]
    [InlineData("HTTP/1.1 204 No Content\r\n\r\n", "", "")]
    [InlineData("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "", "")]
    [InlineData("HTTP/1.1 200\r\nContent-Length:2\r\n\r\nok", "ok", "")]
    public async Task Answers_end_where_they_say_and_the_connection_is_used_again(string answer, string body, string trailers)
    {
        await using var upstream = RawUpstream.Answering(answer);
        using var driver = new UpstreamDriver(upstream.Address);

        for (var i = 0; i < 2; i++)
        {
            var got = await driver.SendAsync(UpstreamDriver.Get());
            Assert.Equal((body, trailers), (got.Body, got.Trailers));
        }

        Assert.Equal(1, upstream.Connections);
    }

    [Fact]
    public async Task An_answer_split_into_single_bytes_is_the_same_answer()
    {
        var text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nA: b\r\n\r\n5\r\nhello\r\n0\r\nT: u\r\n\r\n";
        await using var upstream = new RawUpstream(async c =>
        {
            await c.ReadHeadAsync();
            foreach (var letter in text)
            {
                await c.WriteAsync(letter.ToString());
            }
        });
        using var driver = new UpstreamDriver(upstream.Address);

        Assert.Equal((200, "hello", "T: u\r\n"), await driver.SendAsync(UpstreamDriver.Get()));
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\nContent-Length: 2\n\nok")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")]
    [InlineData("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nA : b\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\n A: b\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n")]
    [InlineData("HTTP/1.1 20 OK\r\n\r\n")]
    [InlineData("HTTP/1.1 2000 OK\r\n\r\n")]
    [InlineData("HTTP/2 200\r\n\r\n")]
    [InlineData("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n")]
    [InlineData("SSH-2.0-OpenSSH\r\n")]
    [InlineData("\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")]
    public async Task A_head_that_is_not_strict_HTTP_is_refused(string answer)
    {
        await using var upstream = RawUpstream.Answering(answer);
        using var driver = new UpstreamDriver(upstream.Address);

        var thrown = await Assert.ThrowsAsync<UpstreamException>(() => driver.SendAsync(UpstreamDriver.Get()));

        Assert.Equal(UpstreamFault.Malformed, thrown.Fault);
    }

    [Theory]
    [InlineData("x\r\n")]
    [InlineData("\r\n")]
    [InlineData("1\na\r\n")]
    [InlineData("1\r\nab\r\n")]
    [InlineData("1\r\na\n")]
    [InlineData("-1\r\n")]
    [InlineData("1 \r\na\r\n")]
    [InlineData("1234567890123456\r\n")]
    [InlineData("0\r\nA: b\nC: d\r\n\r\n")]
    public async Task Chunks_that_are_not_strict_are_refused(string chunks)
    {
        await using var upstream = RawUpstream.Answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks);
        using var driver = new UpstreamDriver(upstream.Address);

        var thrown = await Assert.ThrowsAsync<UpstreamException>(() => driver.SendAsync(UpstreamDriver.Get()));

        Assert.Equal(UpstreamFault.Malformed, thrown.Fault);
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Le")]
    public async Task An_answer_cut_short_is_a_fault_and_never_a_short_answer(string answer)
    {
        await using var upstream = new RawUpstream(async c =>
        {
            await c.ReadHeadAsync();
            await c.WriteAsync(answer);
        });
        using var driver = new UpstreamDriver(upstream.Address);

        var thrown = await Assert.ThrowsAsync<UpstreamException>(() => driver.SendAsync(UpstreamDriver.Get()));

        Assert.Equal(UpstreamFault.Cut, thrown.Fault);
    }

    [Fact]
    public async Task A_body_until_close_is_whole_and_its_connection_is_not_used_again()
    {
        await using var upstream = new RawUpstream(async c =>
        {
            await c.ReadHeadAsync();
            await c.WriteAsync("HTTP/1.1 200 OK\r\n\r\nuntil the end");
        });
        using var driver = new UpstreamDriver(upstream.Address);

        Assert.Equal("until the end", (await driver.SendAsync(UpstreamDriver.Get())).Body);
        Assert.Equal("until the end", (await driver.SendAsync(UpstreamDriver.Get())).Body);
        Assert.Equal(2, upstream.Connections);
    }

    [Fact]
    public async Task Bytes_after_an_answer_close_the_connection_instead_of_answering_the_next_request()
    {
        await using var upstream = RawUpstream.Answering(Ok + "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
        using var driver = new UpstreamDriver(upstream.Address);

        Assert.Equal("ok", (await driver.SendAsync(UpstreamDriver.Get())).Body);
        Assert.Equal("ok", (await driver.SendAsync(UpstreamDriver.Get())).Body);
        Assert.Equal(2, upstream.Connections);
    }
}
