using System.Net;
using Lanyard.ClusterProxy.Hygiene;
using Lanyard.ClusterProxy.Impersonation;
using Lanyard.Testing;
using Lanyard.Testing.Sockets;
using Xunit;

namespace Lanyard.ClusterProxy.Tests.Hygiene;

[Line("3.5")]
public sealed class HygieneTests
{
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    [Fact]
    public async Task Nothing_that_decides_identity_passes_and_ours_is_written_once()
    {
        await using var upstream = RawUpstream.Answering(Ok);
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address);

        var (head, _) = await proxy.SendAsync(
            $"GET /api HTTP/1.1\r\nHost: x\r\n{ProxyDriver.Bearer}X-Remote-User: root\r\nx_remote-Group: system:masters\r\nX-Remote-Extra-A: b\r\n"
            + "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Uri: /x\r\nForwarded: for=6.6.6.6\r\nX-Real-Ip: 6.6.6.6\r\nProxy-Authorization: x\r\nKeep-Alive: 5\r\n"
            + "TE: trailers\r\nAccept: a/b\r\nX-Own: c\r\n\r\n");

        Assert.Equal("HTTP/1.1 200 OK", head.StartLine);
        Assert.True(upstream.Heads.TryDequeue(out var seen));
        Assert.Equal(
            ["Accept: a/b", "Authorization: Bearer own-token", "Host: api.test:6443", "Impersonate-Group: a", "Impersonate-Group: b", "Impersonate-User: ci:1",
                "X-Forwarded-For: 127.0.0.1", "X-Own: c"],
            seen.HeaderLines.Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("Impersonate-Not-Real: x")]
    [InlineData("Impersonate_User: root")]
    [InlineData("impersonate-user_: root")]
    [InlineData("IMPERSONATE: root")]
    [InlineData("Impersonate-Extra-: x")]
    [InlineData("impersonateuser: x")]
    [InlineData("Connection: Impersonate-User")]
    [InlineData("Connection: X-A, impersonate_group")]
    [InlineData("Connection: Authorization")]
    [InlineData("Connection: x-remote-user")]
    [InlineData("Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")]
    [InlineData("Upgrade: websocket, h2c\r\nConnection: Upgrade")]
    [InlineData("Upgrade: TLS/1.0\r\nConnection: Upgrade")]
    [InlineData("Upgrade: SPDY/3.1")]
    public async Task What_could_be_read_in_two_ways_is_refused_and_reaches_nobody(string lines)
    {
        await using var upstream = RawUpstream.Answering(Ok);
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address);

        var (head, body) = await proxy.SendAsync($"GET /api HTTP/1.1\r\nHost: x\r\n{ProxyDriver.Bearer}{lines}\r\n\r\n");

        Assert.Equal("HTTP/1.1 400 Bad Request", head.StartLine);
        Assert.Contains("\"kind\":\"Status\"", body, StringComparison.Ordinal);
        Assert.Empty(upstream.Heads);
    }

    [Theory]
    [InlineData("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n")]
    [InlineData("Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")]
    [InlineData("Transfer-Encoding: identity\r\n\r\n")]
    [InlineData("Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef")]
    public async Task Ambiguous_bodies_are_refused(string rest)
    {
        await using var upstream = RawUpstream.Answering(Ok);
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address);

        var (head, _) = await proxy.SendAsync($"POST /api HTTP/1.1\r\nHost: x\r\n{ProxyDriver.Bearer}{rest}");

        Assert.StartsWith("HTTP/1.1 4", head.StartLine, StringComparison.Ordinal);
        Assert.Empty(upstream.Heads);
    }

    [Theory]
    [InlineData("/api/v1/namespaces/a%2Fb/../%2e%2e/pods//x?labelSelector=a%3Db&x=;%zz")]
    [InlineData("/?")]
    [InlineData("/%7Euser/~user?a=b?c=d/")]
    public async Task The_request_target_goes_on_byte_for_byte(string target)
    {
        await using var upstream = RawUpstream.Answering(Ok);
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address, prefix: "/k8s/c-1");

        await proxy.SendAsync($"GET {target} HTTP/1.1\r\nHost: x\r\n{ProxyDriver.Bearer}\r\n");

        Assert.True(upstream.Heads.TryDequeue(out var seen));
        Assert.Equal($"GET /k8s/c-1{target} HTTP/1.1", seen.StartLine);
    }

    [Theory]
    [InlineData("GET http://other/api HTTP/1.1")]
    [InlineData("OPTIONS * HTTP/1.1")]
    [InlineData("TRACE / HTTP/1.1")]
    [InlineData("CONNECT x:443 HTTP/1.1")]
    public async Task Targets_that_are_no_path_are_refused(string line)
    {
        await using var upstream = RawUpstream.Answering(Ok);
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address);
        var host = line.StartsWith("CONNECT", StringComparison.Ordinal) ? "x:443" : line.Contains("other", StringComparison.Ordinal) ? "other" : "x";

        var (head, _) = await proxy.SendAsync($"{line}\r\nHost: {host}\r\n{ProxyDriver.Bearer}\r\n");

        Assert.StartsWith("HTTP/1.1 400", head.StartLine, StringComparison.Ordinal);
        Assert.Empty(upstream.Heads);
    }

    [Fact]
    public async Task A_trusted_proxy_may_say_who_the_client_is_and_nobody_else()
    {
        await using var upstream = RawUpstream.Answering(Ok);
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address, trusted: new TrustedProxies([IPNetwork.Parse("127.0.0.0/8")]));

        await proxy.SendAsync($"GET / HTTP/1.1\r\nHost: x\r\n{ProxyDriver.Bearer}X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-For: 8.8.8.8\r\nX-Real-Ip: 9.9.9.9\r\n\r\n");

        Assert.True(upstream.Heads.TryDequeue(out var seen));
        Assert.Equal(["9.9.9.9,8.8.8.8, 127.0.0.1"], seen.Values("X-Forwarded-For"));
        Assert.Equal("9.9.9.9", seen.Value("X-Real-Ip"));
    }

    [Fact]
    public async Task Names_that_the_client_nominated_stay_on_its_hop()
    {
        await using var upstream = RawUpstream.Answering(Ok);
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address);

        await proxy.SendAsync($"GET / HTTP/1.1\r\nHost: x\r\n{ProxyDriver.Bearer}Connection: X-Hop, X-Other\r\nX-Hop: 1\r\nX-On: 2\r\n\r\n");

        Assert.True(upstream.Heads.TryDequeue(out var seen));
        Assert.Empty(seen.Values("X-Hop"));
        Assert.Empty(seen.Values("Connection"));
        Assert.Equal("2", seen.Value("X-On"));
    }

    [Theory]
    [InlineData("keep-alive, Impersonate-User, Impersonate-Group, Authorization, Host")]
    [InlineData("close, Impersonate-User")]
    [InlineData("Upgrade, Impersonate-User, Authorization")]
    public async Task No_nomination_takes_our_lines_away(string connection)
    {
        await using var upstream = RawUpstream.Answering(Ok);
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address);

        var (head, _) = await proxy.SendAsync($"GET / HTTP/1.1\r\nHost: x\r\n{ProxyDriver.Bearer}Connection: {connection}\r\n\r\n");

        var isRefused = head.StartLine == "HTTP/1.1 400 Bad Request";
        Assert.Equal(isRefused, upstream.Heads.IsEmpty);
        foreach (var seen in upstream.Heads)
        {
            Assert.Equal("ci:1", seen.Value("Impersonate-User"));
            Assert.Equal("Bearer own-token", seen.Value("Authorization"));
            Assert.Equal(["a", "b"], seen.Values("Impersonate-Group"));
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("Authorization: Basic Z29vZDpnb29k\r\n")]
    [InlineData("Authorization: Bearer bad\r\n")]
    [InlineData("Authorization: Bearer  good\r\n")]
    [InlineData("Authorization: Bearer good\r\nAuthorization: Bearer good\r\n")]
    [InlineData("Authorization: good\r\n")]
    [Line("3.7")]
    public async Task Without_a_good_token_the_answer_is_the_API_servers_401(string lines)
    {
        await using var upstream = RawUpstream.Answering(Ok);
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address);

        var (head, body) = await proxy.SendAsync($"GET /api HTTP/1.1\r\nHost: x\r\n{lines}\r\n");

        Assert.Equal("HTTP/1.1 401 Unauthorized", head.StartLine);
        Assert.Equal(
            "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"Unauthorized\",\"reason\":\"Unauthorized\",\"code\":401}\n", body);
        Assert.Empty(upstream.Heads);
    }

    [Fact]
    public async Task Headers_over_our_limit_are_431_with_a_Status()
    {
        await using var upstream = RawUpstream.Answering(Ok);
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address);

        var (head, body) = await proxy.SendAsync($"GET / HTTP/1.1\r\nHost: x\r\n{ProxyDriver.Bearer}X: {new string('a', RequestShape.MaxHeaders)}\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 431", head.StartLine, StringComparison.Ordinal);
        Assert.Contains("\"code\":431", body, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(250)]
    [Line("3.3")]
    public async Task Each_group_is_a_line_of_its_own(int count)
    {
        await using var upstream = RawUpstream.Answering(Ok);
        var groups = Enumerable.Range(0, count).Select(i => $"group, {i} é").ToList();
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address, new KubernetesUser("u") { Groups = groups });

        await proxy.SendAsync($"GET / HTTP/1.1\r\nHost: x\r\n{ProxyDriver.Bearer}\r\n");

        Assert.True(upstream.Heads.TryDequeue(out var seen));
        var wire = groups.Select(g => System.Text.Encoding.Latin1.GetString(System.Text.Encoding.UTF8.GetBytes(g)));
        Assert.Equal(wire, seen.Values("Impersonate-Group"));
    }

    [Fact]
    public async Task Bytes_of_header_values_pass_unchanged_both_ways()
    {
        await using var upstream = RawUpstream.Answering("HTTP/1.1 200 OK\r\nWarning: 299 - \"\u00c3\u00a9\u00ff\"\r\nContent-Length: 0\r\n\r\n");
        await using var proxy = await ProxyDriver.StartAsync(upstream.Address);

        var (head, _) = await proxy.SendAsync($"GET / HTTP/1.1\r\nHost: x\r\n{ProxyDriver.Bearer}X-A: \u00c3\u00a9\u00ff\r\n\r\n");

        Assert.True(upstream.Heads.TryDequeue(out var seen));
        Assert.Equal("\u00c3\u00a9\u00ff", seen.Value("X-A"));
        Assert.Equal("299 - \"\u00c3\u00a9\u00ff\"", head.Value("Warning"));
    }
}
