using System.Net;
using System.Net.Security;
using System.Text;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.Limits;

/// <summary>How much a head may hold, in lines and in one field, and that the answer to more is the proxy's own.</summary>
[Line("3.7")]
[Line("3.9")]
public sealed class HeaderLimitTests
{
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    [Theory]
    [InlineData(300)]
    [InlineData(1020)]
    public async Task A_head_of_very_many_short_lines_goes_through_line_by_line(int lines)
    {
        await using var upstream = RawUpstream.Answering(Ok);
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address);

        var (head, body) = await proxy.SendAsync($"GET /api HTTP/1.1\r\nHost: x\r\n{ProxyDriver.Bearer}{Lines(lines, "")}\r\n");

        Assert.Equal(("HTTP/1.1 200 OK", "ok"), (head.StartLine, body));
        Assert.True(upstream.Heads.TryDequeue(out var seen));
        Assert.Equal(lines, seen.Values("X-A").Count());
    }

    /// <summary>Kestrel itself stops at 2048 lines and at 1 MiB, and says no more than a status line, on a connection's first request as on a later one.</summary>
    [Theory]
    [InlineData(1000, 300)]
    [InlineData(1030, 1)]
    [InlineData(2100, 1)]
    [InlineData(8000, 1)]
    [InlineData(1, 1024 * 1024)]
    public async Task A_head_over_the_limit_is_431_as_Status(int lines, int length)
    {
        await using var upstream = RawUpstream.Answering(Ok);
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address);
        foreach (var isFirst in (bool[])[true, false])
        {
            using var connection = await proxy.ConnectAsync();
            if (!isFirst)
            {
                await connection.WriteAsync($"GET /api HTTP/1.1\r\nHost: x\r\n{ProxyDriver.Bearer}\r\n");
                Assert.Equal("ok", await connection.ReadBodyAsync((await connection.ReadHeadAsync())!));
            }

            await connection.WriteAsync($"GET /api HTTP/1.1\r\nHost: x\r\n{ProxyDriver.Bearer}{Lines(lines, new string('a', length))}\r\n");
            var head = await connection.ReadHeadAsync();

            Assert.StartsWith("HTTP/1.1 431", head!.StartLine, StringComparison.Ordinal);
            Assert.Equal("application/json", head.Value("Content-Type"));
            Assert.Equal(
                """{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"the request's headers are too large","reason":"RequestHeaderFieldsTooLarge","code":431}""" + "\n",
                await connection.ReadBodyAsync(head));
        }

        Assert.Single(upstream.Heads);
    }

    [Fact]
    public async Task A_head_that_can_not_be_read_is_400_as_Status()
    {
        await using var upstream = RawUpstream.Answering(Ok);
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address);

        var (head, body) = await proxy.SendAsync("GET /api HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n");

        Assert.Equal("HTTP/1.1 400 Bad Request", head.StartLine);
        Assert.Contains("\"reason\":\"BadRequest\"", body, StringComparison.Ordinal);
    }

    /// <summary>What a pod writes into its log is nobody's head.</summary>
    [Theory]
    [InlineData("HTTP/1.1 431 No\r\nContent-Length: 0\r\n\r\n")]
    [InlineData("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")]
    public async Task An_answers_own_bytes_pass_whatever_they_look_like(string text)
    {
        await using var upstream = new RawUpstream(async connection =>
        {
            await connection.ReadHeadAsync();
            await connection.WriteAsync($"HTTP/1.1 200 OK\r\nContent-Length: {2 * text.Length}\r\n\r\n");
            await connection.WriteAsync(text);
            await connection.ReadExactlyAsync(1);
            await connection.WriteAsync(text);
        });
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address);
        using var client = await proxy.ConnectAsync();

        await client.WriteAsync($"POST /api/v1/namespaces/n/services/s/proxy/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n{ProxyDriver.Bearer}\r\n");
        await client.ReadHeadAsync();

        Assert.Equal(text, await client.ReadExactlyAsync(text.Length));
        await client.WriteAsync("x");
        Assert.Equal(text, await client.ReadExactlyAsync(text.Length));
    }

    [Fact]
    public async Task One_long_field_over_HTTP2_goes_through_or_is_431_as_Status_and_never_ends_the_connection()
    {
        using var certificate = TestCertificates.Create();
        await using var upstream = RawUpstream.Answering(Ok);
        await using var proxy = await ProxyDriver.StartAsync(
            upstream.Address, certificate: () => new() { ServerCertificateContext = SslStreamCertificateContext.Create(certificate, null, offline: true) });
        using var client = new Http2Client(proxy.Address);

        var (fits, _) = await client.GetAsync("good", new string('a', 100 * 1024));
        var (tooLong, status) = await client.GetAsync("good", new string('a', 300 * 1024));
        var (after, _) = await client.GetAsync("good");

        Assert.Equal((HttpStatusCode.OK, (HttpStatusCode)431, HttpStatusCode.OK), (fits, tooLong, after));
        Assert.Contains("\"reason\":\"RequestHeaderFieldsTooLarge\"", status, StringComparison.Ordinal);
        Assert.Equal([100 * 1024, 0], upstream.Heads.Select(h => h.Value("X-A")?.Length ?? 0));
        Assert.Equal(1, client.Connections);
    }

    /// <summary>Over twice the limit Kestrel answers by itself, with a status and nothing else.</summary>
    [Theory]
    [InlineData(1000, HttpStatusCode.OK, "ok")]
    [InlineData(1030, (HttpStatusCode)431, "RequestHeaderFieldsTooLarge")]
    [InlineData(2030, (HttpStatusCode)431, "RequestHeaderFieldsTooLarge")]
    [InlineData(2100, (HttpStatusCode)431, "")]
    public async Task Very_many_lines_over_HTTP2_go_through_or_are_431_as_Status_and_never_end_the_connection(int lines, HttpStatusCode expected, string body)
    {
        using var certificate = TestCertificates.Create();
        await using var upstream = RawUpstream.Answering(Ok);
        await using var proxy = await ProxyDriver.StartAsync(
            upstream.Address, certificate: () => new() { ServerCertificateContext = SslStreamCertificateContext.Create(certificate, null, offline: true) });
        using var client = new Http2Client(proxy.Address);

        var (status, text) = await client.GetAsync("good", [.. Enumerable.Range(0, lines).Select(static i => ($"X-{i}", "a"))]);
        var (after, _) = await client.GetAsync("good");

        Assert.Equal((expected, HttpStatusCode.OK), (status, after));
        Assert.Contains(body, text, StringComparison.Ordinal);
        Assert.Equal(1, client.Connections);
    }

    private static string Lines(int count, string value)
    {
        var lines = new StringBuilder();
        for (var i = 0; i < count; i++)
        {
            lines.Append("X-A: ").Append(value).Append("\r\n");
        }

        return lines.ToString();
    }
}
