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
    [InlineData(1001)]
    [InlineData(4000)]
    public async Task A_head_of_very_many_short_lines_goes_through_line_by_line(int lines)
    {
        await using var upstream = RawUpstream.Answering(Ok);
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address);

        var (head, body) = await proxy.SendAsync($"GET /api HTTP/1.1\r\nHost: x\r\n{ProxyDriver.Bearer}{Lines(lines, "")}\r\n");

        Assert.Equal(("HTTP/1.1 200 OK", "ok"), (head.StartLine, body));
        Assert.True(upstream.Heads.TryDequeue(out var seen));
        Assert.Equal(lines, seen.Values("X-A").Count());
    }

    [Fact]
    public async Task A_head_of_many_lines_over_the_limit_is_431_as_Status()
    {
        await using var upstream = RawUpstream.Answering(Ok);
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address);

        var (head, body) = await proxy.SendAsync($"GET /api HTTP/1.1\r\nHost: x\r\n{ProxyDriver.Bearer}{Lines(4000, new string('a', 64))}\r\n");

        Assert.StartsWith("HTTP/1.1 431", head.StartLine, StringComparison.Ordinal);
        Assert.Contains("\"reason\":\"RequestHeaderFieldsTooLarge\"", body, StringComparison.Ordinal);
        Assert.Empty(upstream.Heads);
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
