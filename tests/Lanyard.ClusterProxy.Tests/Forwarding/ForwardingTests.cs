using System.Globalization;
using System.Net;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.Forwarding;

public sealed class ForwardingTests
{
    [Fact]
    [Line("3.5")]
    public async Task Answers_lose_what_belonged_to_the_hop_and_keep_the_rest()
    {
        await using var upstream = RawUpstream.Answering(
            "HTTP/1.1 404 Not Found\r\nAudit-Id: 1\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 9\r\nWarning: a\r\nWarning: b\r\nDate: Mon, 01 Jan 2001 00:00:00 GMT\r\n"
            + "Cache-Control: no-cache, private\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address);

        var (head, body) = await proxy.SendAsync($"GET / HTTP/1.1\r\nHost: x\r\n{ProxyDriver.Bearer}\r\n");

        Assert.Equal(("HTTP/1.1 404 Not Found", "{}"), (head.StartLine, body));
        Assert.Equal(
            ["Audit-Id: 1", "Cache-Control: no-cache, private", "Content-Length: 2", "Content-Type: application/json", "Date: Mon, 01 Jan 2001 00:00:00 GMT", "Warning: a", "Warning: b"],
            head.HeaderLines.Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("POST", "Content-Length: 5\r\n\r\nhello", "Content-Length: 5")]
    [InlineData("PATCH", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "Transfer-Encoding: chunked")]
    [InlineData("DELETE", "Content-Length: 0\r\n\r\n", "Content-Length: 0")]
    [Line("3.3")]
    public async Task Requests_keep_their_method_and_their_framing(string method, string rest, string framing)
    {
        await using var upstream = RawUpstream.Answering("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address);

        var (head, _) = await proxy.SendAsync($"{method} /x HTTP/1.1\r\nHost: x\r\n{ProxyDriver.Bearer}{rest}");

        Assert.Equal("HTTP/1.1 201 Created", head.StartLine);
        Assert.True(upstream.Heads.TryDequeue(out var seen));
        Assert.Equal($"{method} /x HTTP/1.1", seen.StartLine);
        Assert.Single(seen.HeaderLines, l => l == framing);
    }

    [Theory]
    [InlineData("HTTP/1.1")]
    [InlineData("HTTP/1.0")]
    [Line("3.3")]
    public async Task An_answer_of_any_length_arrives_whole_and_a_connection_that_stays_open_goes_on(string version)
    {
        string Body(RawHead asked) => string.Concat(Enumerable.Range(0, int.Parse(asked.StartLine.Split(' ')[1][1..], CultureInfo.InvariantCulture)).Select(static i => (char)('a' + (i % 23))));
        await using var upstream = RawUpstream.Answering(head => $"HTTP/1.1 200 OK\r\nContent-Length: {Body(head).Length}\r\n\r\n{Body(head)}");
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address);
        var connection = await proxy.ConnectAsync();
        foreach (var length in (int[])[0, 1, 16_300, 16_384, 16_385, 40_000, 100_000, 1_000_000])
        {
            await connection.WriteAsync($"GET /{length} {version}\r\nHost: x\r\n{ProxyDriver.Bearer}\r\n");
            var head = await connection.ReadHeadAsync();
            Assert.Equal($"{length}", head!.Value("Content-Length"));
            Assert.Equal(Body(new RawHead($"GET /{length} {version}", [])), await connection.ReadBodyAsync(head));
            if (version == "HTTP/1.0")
            {
                connection.Dispose();
                connection = await proxy.ConnectAsync();
            }
        }

        connection.Dispose();
    }

    [Fact]
    [Line("3.6")]
    public async Task Each_event_of_a_watch_arrives_while_the_watch_is_open()
    {
        var next = new SemaphoreSlim(0);
        await using var upstream = new RawUpstream(async c =>
        {
            await c.ReadHeadAsync();
            await c.WriteAsync("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
            for (var i = 0; i < 3; i++)
            {
                await next.WaitAsync();
                await c.WriteAsync($"2\r\n{i}\n\r\n");
            }

            await c.WriteAsync("0\r\n\r\n");
        });
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address);
        using var client = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(proxy.Address, "/api/v1/pods?watch=1"));
        request.Headers.Add("Authorization", "Bearer good");

        using var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        using var lines = new StreamReader(await answer.Content.ReadAsStreamAsync());

        for (var i = 0; i < 3; i++)
        {
            next.Release();
            Assert.Equal($"{i}", await lines.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(120)));
        }

        Assert.Null(await lines.ReadLineAsync());
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n")]
    [Line("3.3")]
    public async Task An_answer_cut_upstream_is_cut_for_the_client_too(string cut)
    {
        await using var upstream = new RawUpstream(async c =>
        {
            await c.ReadHeadAsync();
            await c.WriteAsync(cut);
        });
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address);
        using var client = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Get, proxy.Address);
        request.Headers.Add("Authorization", "Bearer good");

        await Assert.ThrowsAsync<HttpRequestException>(() => client.SendAsync(request));
    }

    [Theory]
    [InlineData("garbage\r\n\r\n", 502)]
    [InlineData("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", 502)]
    [InlineData("", 502)]
    [Line("3.7")]
    public async Task An_API_server_that_answers_badly_is_502_as_Status(string answer, int code)
    {
        await using var upstream = new RawUpstream(async c =>
        {
            await c.ReadHeadAsync();
            await c.WriteAsync(answer);
        });
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address);

        var (head, body) = await proxy.SendAsync($"GET / HTTP/1.1\r\nHost: x\r\n{ProxyDriver.Bearer}\r\n");

        Assert.StartsWith($"HTTP/1.1 {code}", head.StartLine, StringComparison.Ordinal);
        Assert.Contains($"\"code\":{code}", body, StringComparison.Ordinal);
    }

    [Fact]
    [Line("3.7")]
    public async Task An_API_server_that_is_not_there_is_503_with_Retry_After()
    {
        await using var upstream = RawUpstream.Answering("");
        upstream.StopListening();
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address);

        var (head, body) = await proxy.SendAsync($"GET / HTTP/1.1\r\nHost: x\r\n{ProxyDriver.Bearer}\r\n");

        Assert.StartsWith("HTTP/1.1 503", head.StartLine, StringComparison.Ordinal);
        Assert.Equal("1", head.Value("Retry-After"));
        Assert.Contains("\"reason\":\"ServiceUnavailable\"", body, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("POST", "SPDY/3.1", "X-Stream-Protocol-Version: v4.channel.k8s.io\r\nX-Stream-Protocol-Version: channel.k8s.io\r\nContent-Length: 0\r\n")]
    [InlineData("GET", "websocket", "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n")]
    [InlineData("GET", "websocket", "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io\r\n")]
    [Line("3.5")]
    [Line("3.6")]
    public async Task An_upgrade_keeps_its_method_and_carries_bytes_both_ways_until_each_side_ends(string method, string protocol, string lines)
    {
        RawHead? seen = null;
        await using var upstream = new RawUpstream(async c =>
        {
            seen = await c.ReadHeadAsync();
            await c.WriteAsync($"HTTP/1.1 101 Switching Protocols\r\nUpgrade: {protocol}\r\nConnection: Upgrade\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\nhello");
            Assert.Equal("ping", await c.ReadExactlyAsync(4));
            await c.WriteAsync("pong");
            Assert.Equal("", await c.ReadToEndAsync());
            await c.WriteAsync("after your end");
        });
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address);
        using var client = await proxy.ConnectAsync();

        await client.WriteAsync($"{method} /exec HTTP/1.1\r\nHost: x\r\n{ProxyDriver.Bearer}Connection: Upgrade\r\nUpgrade: {protocol}\r\n{lines}\r\n");
        var head = await client.ReadHeadAsync();

        Assert.Equal("HTTP/1.1 101 Switching Protocols", head!.StartLine);
        Assert.Equal((protocol, "Upgrade", "v4.channel.k8s.io"), (head.Value("Upgrade"), head.Value("Connection"), head.Value("X-Stream-Protocol-Version")));
        Assert.Equal("hello", await client.ReadExactlyAsync(5));
        await client.WriteAsync("ping");
        Assert.Equal("pong", await client.ReadExactlyAsync(4));
        await client.ShutdownSendAsync();
        Assert.Equal("after your end", await client.ReadToEndAsync());
        Assert.Equal($"{method} /exec HTTP/1.1", seen!.StartLine);
        Assert.Equal((protocol, "Upgrade"), (seen.Value("Upgrade"), seen.Value("Connection")));
        foreach (var line in lines.Split("\r\n", StringSplitOptions.RemoveEmptyEntries))
        {
            Assert.Contains(line, seen.HeaderLines);
        }
    }

    [Fact]
    [Line("3.5")]
    public async Task A_refused_upgrade_is_relayed_and_both_connections_are_closed()
    {
        await using var upstream = RawUpstream.Answering("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address);
        using var client = await proxy.ConnectAsync();

        await client.WriteAsync($"POST /exec HTTP/1.1\r\nHost: x\r\n{ProxyDriver.Bearer}Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n");

        var text = await client.ReadToEndAsync();
        Assert.StartsWith("HTTP/1.1 403 Forbidden\r\n", text, StringComparison.Ordinal);
        Assert.EndsWith("\r\n\r\nno", text, StringComparison.Ordinal);
        await proxy.SendAsync($"GET /second HTTP/1.1\r\nHost: x\r\n{ProxyDriver.Bearer}\r\n");
        Assert.Equal(["POST /exec HTTP/1.1", "GET /second HTTP/1.1"], upstream.Heads.Select(h => h.StartLine));
        Assert.Equal(2, upstream.Connections);
    }

    [Theory]
    [InlineData("v4.channel.k8s.io, base64url.bearer.authorization.k8s.io.Z29vZA", "v4.channel.k8s.io")]
    [InlineData("base64url.bearer.authorization.k8s.io.Z29vZA, a, b", "a, b")]
    [InlineData("base64url.bearer.authorization.k8s.io.Z29vZA", null)]
    [InlineData("a, base64url.bearer.authorization.k8s.io.Z29vZA, base64url.bearer.authorization.k8s.io.Z29vZA", null)]
    [InlineData("a, base64url.bearer.authorization.k8s.io.Z29vZA==", null)]
    [InlineData("a, base64url.bearer.authorization.k8s.io.", null)]
    [InlineData("a, base64url.bearer.authorization.k8s.io.!!", null)]
    [Line("3.1")]
    public async Task A_WebSocket_may_bring_its_bearer_as_a_sub_protocol(string offered, string? forwarded)
    {
        await using var upstream = RawUpstream.Answering("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address);

        var (head, _) = await proxy.SendAsync(
            $"GET /exec HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\nSec-WebSocket-Protocol: {offered}\r\n\r\n");

        Assert.StartsWith(forwarded is null ? "HTTP/1.1 401" : "HTTP/1.1 400", head.StartLine, StringComparison.Ordinal);
        Assert.Equal(forwarded, upstream.Heads.SingleOrDefault()?.Value("Sec-WebSocket-Protocol"));
    }

    [Fact]
    [Line("3.6")]
    public async Task A_client_that_goes_away_ends_its_watch_upstream()
    {
        var ended = new TaskCompletionSource();
        await using var upstream = new RawUpstream(async c =>
        {
            await c.ReadHeadAsync();
            await c.WriteAsync("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
            try
            {
                await c.ReadToEndAsync();
            }
            finally
            {
                ended.SetResult();
            }
        });
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address);
        using (var client = await proxy.ConnectAsync())
        {
            await client.WriteAsync($"GET /?watch=1 HTTP/1.1\r\nHost: x\r\n{ProxyDriver.Bearer}\r\n");
            await client.ReadHeadAsync();
        }

        await ended.Task.WaitAsync(TimeSpan.FromSeconds(120));
    }
}
