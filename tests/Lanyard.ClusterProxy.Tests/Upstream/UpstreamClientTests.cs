using System.Security.Authentication;
using System.Text;
using Lanyard.ClusterProxy.Upstream;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.Upstream;

/// <summary>Requests to an API server: what goes out, on which connection, and where to.</summary>
[Line("3.3")]
public sealed class UpstreamClientTests
{
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    [Fact]
    public async Task The_head_arrives_byte_for_byte_with_one_line_per_group()
    {
        await using var upstream = RawUpstream.Answering(Ok);
        using var driver = new UpstreamDriver(upstream.Address);
        var head = "GET /a%2Fb/../c?x=%7e HTTP/1.1\r\nHost: x\r\nImpersonate-Group: a, b\r\nImpersonate-Group: c\r\n\r\n";

        await driver.SendAsync(new(UpstreamDriver.Head(head), null, false, true, false));

        Assert.True(upstream.Heads.TryDequeue(out var seen));
        Assert.Equal("GET /a%2Fb/../c?x=%7e HTTP/1.1", seen.StartLine);
        Assert.Equal(["Host: x", "Impersonate-Group: a, b", "Impersonate-Group: c"], seen.HeaderLines);
    }

    [Fact]
    public async Task Requests_in_turn_share_one_connection_and_requests_at_once_do_not()
    {
        await using var upstream = RawUpstream.Answering(Ok);
        using var driver = new UpstreamDriver(upstream.Address);

        for (var i = 0; i < 5; i++)
        {
            await driver.SendAsync(UpstreamDriver.Get());
        }

        Assert.Equal(1, upstream.Connections);
        await using var first = await driver.Client.SendAsync(UpstreamDriver.Get(), default);
        await using var second = await driver.Client.SendAsync(UpstreamDriver.Get(), default);
        Assert.Equal(2, upstream.Connections);
    }

    [Fact]
    public async Task A_GET_on_a_connection_that_was_closed_meanwhile_is_sent_again_and_a_POST_never_twice()
    {
        var heads = 0;
        await using var upstream = new RawUpstream(async c =>
        {
            var head = await c.ReadHeadAsync();
            Interlocked.Increment(ref heads);
            await c.ReadBodyAsync(head!);
            await c.WriteAsync(Ok);
        });
        using var driver = new UpstreamDriver(upstream.Address);

        Assert.Equal(200, (await driver.SendAsync(UpstreamDriver.Get())).Status);
        Assert.Equal(200, (await driver.SendAsync(UpstreamDriver.Get())).Status);
        await using (var closing = new RawUpstream(c => c.ReadHeadAsync()))
        {
            using var other = new UpstreamDriver(closing.Address);
            await Assert.ThrowsAsync<UpstreamException>(() => other.SendAsync(UpstreamDriver.Post("x")));
            Assert.Equal(1, closing.Connections);
        }

        Assert.Equal(2, heads);
    }

    [Theory]
    [InlineData(false, "Content-Length: 5", "hello")]
    [InlineData(true, "Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\nT: u\r\n\r\n")]
    public async Task Bodies_go_out_by_length_or_in_chunks_with_trailers(bool chunked, string framing, string wire)
    {
        var seen = new TaskCompletionSource<(RawHead, string)>();
        await using var upstream = new RawUpstream(async c =>
        {
            var head = await c.ReadHeadAsync();
            seen.SetResult((head!, await c.ReadExactlyAsync(wire.Length)));
            await c.WriteAsync(Ok);
        });
        using var driver = new UpstreamDriver(upstream.Address);

        var answer = await driver.SendAsync(UpstreamDriver.Post("hello", chunked, () => Encoding.ASCII.GetBytes("T: u\r\n")));

        var (sent, body) = await seen.Task;
        Assert.Equal((200, wire), (answer.Status, body));
        Assert.Contains(framing, sent.HeaderLines);
    }

    [Fact]
    public async Task An_early_answer_is_relayed_although_the_body_is_not_done()
    {
        await using var upstream = new RawUpstream(async c =>
        {
            await c.ReadHeadAsync();
            await c.WriteAsync("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
        });
        using var driver = new UpstreamDriver(upstream.Address);
        var endless = new System.IO.Pipelines.Pipe();
        var head = UpstreamDriver.Head("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n");

        var answer = await driver.SendAsync(new(head, new RequestBody(endless.Reader, 9), false, false, false));

        Assert.Equal(413, answer.Status);
    }

    [Fact]
    public async Task The_first_bytes_of_a_stream_arrive_while_it_is_open_and_cancelling_ends_it()
    {
        var closed = new TaskCompletionSource();
        await using var upstream = new RawUpstream(async c =>
        {
            await c.ReadHeadAsync();
            await c.WriteAsync("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
            try
            {
                await c.ReadToEndAsync();
            }
            finally
            {
                closed.SetResult();
            }
        });
        using var driver = new UpstreamDriver(upstream.Address);
        using var stop = new CancellationTokenSource();
        await using var exchange = await driver.Client.SendAsync(UpstreamDriver.Get(), stop.Token);
        var pipe = new System.IO.Pipelines.Pipe();

        var copying = exchange.CopyBodyAsync(pipe.Writer).AsTask();
        var first = await pipe.Reader.ReadAsync();
        await stop.CancelAsync();

        Assert.Equal("one", Encoding.ASCII.GetString(first.Buffer.FirstSpan));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => copying);
        await closed.Task.WaitAsync(TimeSpan.FromSeconds(120));
    }

    [Fact]
    public async Task TLS_connections_are_pooled_and_an_untrusted_certificate_is_unreachable()
    {
        using var certificate = TestCertificates.Create();
        using var stranger = TestCertificates.Create();
        await using var upstream = RawUpstream.Answering(Ok, certificate);
        using var good = new UpstreamDriver(new UpstreamOptions { Addresses = [upstream.Address], Tls = UpstreamDriver.Trust(certificate) });
        using var bad = new UpstreamDriver(new UpstreamOptions { Addresses = [upstream.Address], Tls = UpstreamDriver.Trust(stranger) });

        Assert.Equal("ok", (await good.SendAsync(UpstreamDriver.Get())).Body);
        Assert.Equal("ok", (await good.SendAsync(UpstreamDriver.Get())).Body);
        Assert.Equal(1, upstream.Connections);
        var thrown = await Assert.ThrowsAsync<UpstreamException>(() => bad.SendAsync(UpstreamDriver.Get()));
        Assert.Equal(UpstreamFault.Unreachable, thrown.Fault);
        Assert.IsType<AuthenticationException>(thrown.InnerException);
    }

    [Fact]
    public async Task An_address_that_refuses_is_passed_over()
    {
        await using var dead = RawUpstream.Answering(Ok);
        dead.StopListening();
        await using var alive = RawUpstream.Answering(Ok);
        using var driver = new UpstreamDriver(dead.Address, alive.Address);

        for (var i = 0; i < 4; i++)
        {
            Assert.Equal(200, (await driver.SendAsync(UpstreamDriver.Get())).Status);
        }

        await alive.DisposeAsync();
        using var none = new UpstreamDriver(dead.Address, alive.Address);
        var thrown = await Assert.ThrowsAsync<UpstreamException>(() => none.SendAsync(UpstreamDriver.Get()));
        Assert.Equal(UpstreamFault.Unreachable, thrown.Fault);
    }
}
